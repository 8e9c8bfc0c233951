"""The models of DBot's two sockets, as frozen values.

Names are the venue's in Python spelling; the data socket's one- and two-letter keys have words. Times are ms since 1970,
also if the wire has seconds. Fields with few values (states, sources, chains) are kept as texts: the venue adds
values. Anything but what identifies a value may be None; the wire document is in ``Update.raw``.

Fields of market data are read when they are looked at, and raise ``UnreadableField`` then; results of trades are read at once.

Sources: docs.dbotx.com/reference, its Chinese edition, and the older guide-en.dbotx.com.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Dict, Optional, Tuple

import attrs

from dbxsdk.errors import ProtocolError
from dbxsdk.fields import Lazy, boolean, decimal, each, integer, lazy, reader, text, wire

INTERVALS = ("1m", "5m", "1h", "6h", "24h")
"""The windows of the pair figures, all of which come with every update."""

_SECONDS_END = 100_000_000_000
"""A time below this is in seconds (it is reached in the year 5138), one above in ms (passed in 1973)."""
_MOST_DECIMALS = 255
"""A token's decimals are one byte on every chain."""


def milliseconds(value: Any) -> int:
    """Return in ms a time that is in seconds or in ms, judged by its size: the venue's pages mix them up."""
    number = value if type(value) is int else decimal(value)
    if not 0 <= number < _SECONDS_END * 1000:
        raise ValueError("the time is out of range")
    return int(number * 1000 if number < _SECONDS_END else number)


def moment(value: Any) -> Optional[int]:
    """Return the same, or None: what cannot be read is reported when the model is read."""
    try:
        return None if value is None else milliseconds(value)
    except (TypeError, ValueError, ArithmeticError):
        return None


def _decimals(value: Any) -> int:
    places = integer(value)
    if not 0 <= places <= _MOST_DECIMALS:
        raise ValueError("decimals are out of range")
    return places


def _pair(document: Dict[str, Any]) -> Optional[str]:
    """Read the pair, which has either name."""
    pair = document.get("p")
    if pair is None:
        pair = document.get("pair")
    return None if pair is None else text(pair)


def _label(value: Any) -> str:
    """Read a text, or a number used as one."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else text(value)


@attrs.frozen(kw_only=True)
class SwapOrder:
    """One fast buy or sell task, as ``getSwapOrder`` and ``getSwapOrders`` describe it.

    Attributes:
        state: ``"init"``, ``"processing"``, ``"done"`` (traded), ``"fail"`` or ``"expired"``.
        trade_type: ``"buy"`` or ``"sell"``.
        tx_price_usd: the price of the trade in USD.
        swap_hash, swap_link: the transaction, and a page that shows it.
        error_code, error_message: empty texts if nothing failed.

    Source: docs.dbotx.com/reference/fast-buy-sell-task-ws.
    """

    id: str = wire("id", text)
    state: str = wire("state", text)
    chain: Optional[str] = wire("chain", text, default=None)
    trade_type: Optional[str] = wire("tradeType", text, default=None)
    tx_price_usd: Optional[Decimal] = wire("txPriceUsd", decimal, default=None)
    swap_hash: Optional[str] = wire("swapHash", text, default=None)
    swap_link: Optional[str] = wire("swapLink", text, default=None)
    error_code: Optional[str] = wire("errorCode", _label, default=None)
    error_message: Optional[str] = wire("errorMessage", text, default=None)


@attrs.frozen(kw_only=True)
class TokenInfo:
    """A token. ``decimals`` says how many places its raw integer amounts have."""

    contract: Optional[str] = wire("contract", text, default=None)
    name: Optional[str] = wire("name", text, default=None)
    symbol: Optional[str] = wire("symbol", text, default=None)
    decimals: Optional[int] = wire("decimals", _decimals, default=None)
    icon: Optional[str] = wire("icon", text, default=None)
    total_supply: Optional[Decimal] = wire("totalSupply", decimal, default=None)


@attrs.frozen(kw_only=True)
class TokenAmount:
    """An amount of a token. ``raw_amount`` is the chain's integer; ``amount`` is the usual decimal amount."""

    raw_amount: int = wire("amount", integer)
    info: Optional[TokenInfo] = wire("info", reader(TokenInfo), default=None)

    @property
    def amount(self) -> Optional[Decimal]:
        """``raw_amount`` divided by ten to the power of the token's decimals, exactly; None without decimals."""
        if self.info is None or self.info.decimals is None:
            return None
        sign, digits, _ = Decimal(self.raw_amount).as_tuple()
        # Not by arithmetic: that would round to the context's 28 digits.
        return Decimal((sign, digits, -self.info.decimals))


@attrs.frozen(kw_only=True)
class TradeResult:
    """How one trade ended (``tradeResults``). The same result may come twice, most of all around a reconnect.

    Attributes:
        id: a task's id, often with a suffix (``"..._sell"``): it begins with the id of the task that it came from.
        state: ``"done"``, ``"fail"``, ...
        source: ``"swap_order"``, ``"limit_order"`` (also take profit and stop loss), ``"trailing_stop_order"``,
            ``"follow_order"``, ``"snipe_order"``.
        sub_source: e.g. ``"swap_take_profit"``; None if it was not a take profit, stop loss or trailing stop.
        type: ``"buy"`` or ``"sell"``; failures were also seen with ``"fail"``.
        create_at_ms: when the task was made.
        timestamp_ms: when the trade was executed; None if it failed.
        send, receive: what left the wallet and what came in; None if it failed.
        price_usd: the token's price in USD.
        dbot_fee: the venue's fee, a raw integer of the chain's currency.
        error_code, error_message: why it failed.

    Source: docs.dbotx.com/reference/subscribe-trade-results and the pages of the single notifications.
    """

    id: str = wire("id", text)
    state: str = wire("state", text)
    source: str = wire("source", text)
    sub_source: Optional[str] = wire("subSource", text, default=None)
    chain: Optional[str] = wire("chain", text, default=None)
    block: Optional[int] = wire("block", integer, default=None)
    hash: Optional[str] = wire("hash", text, default=None)
    create_at_ms: Optional[int] = wire("createAt", milliseconds, default=None)
    timestamp_ms: Optional[int] = wire("timestamp", milliseconds, default=None)
    wallet: Optional[str] = wire("wallet", text, default=None)
    type: Optional[str] = wire("type", text, default=None)
    token: Optional[str] = wire("token", text, default=None)
    pair: Optional[str] = wire("pair", text, default=None)
    symbol: Optional[str] = wire("symbol", text, default=None)
    send: Optional[TokenAmount] = wire("send", reader(TokenAmount), default=None)
    receive: Optional[TokenAmount] = wire("receive", reader(TokenAmount), default=None)
    price_usd: Optional[Decimal] = wire("priceUsd", decimal, default=None)
    dbot_fee: Optional[Decimal] = wire("dbotFee", decimal, default=None)
    error_code: Optional[str] = wire("errorCode", _label, default=None)
    error_message: Optional[str] = wire("errorMessage", text, default=None)


@lazy
@attrs.frozen(kw_only=True, slots=False)
class Transaction(Lazy):
    """One trade or change of liquidity (``tx``).

    Attributes:
        id: the wire's ``i``.
        time_ms: its ``t``, to the second.
        hash: its ``tx``, the transaction.
        dex: its ``d``.
        account: its ``ac``, the trader's wallet.
        type: its ``tt``: ``"buy"``, ``"sell"``, ``"addLiq"`` or ``"removeLiq"``.
        base_amount: its ``s``, in the currency of payment; the pages do not explain it, the samples agree.
        usd: its ``u``, the value in USD.
        quantity: its ``q``, in tokens.
        pair: its ``p`` or ``pair``, if the venue sends one; no page shows it here.

    Source: docs.dbotx.com/reference/live-trade-alert, guide-en.dbotx.com.
    """

    hash: str = wire("tx", text)
    type: str = wire("tt", text)
    id: Optional[str] = wire("i", _label, default=None)
    time_ms: Optional[int] = wire("t", milliseconds, default=None)
    dex: Optional[str] = wire("d", text, default=None)
    account: Optional[str] = wire("ac", text, default=None)
    base_amount: Optional[Decimal] = wire("s", decimal, default=None)
    usd: Optional[Decimal] = wire("u", decimal, default=None)
    quantity: Optional[Decimal] = wire("q", decimal, default=None)
    pair: Optional[str] = wire(None, _pair, default=None)

    def _trade_columns(self) -> Tuple[Any, ...]:
        price = self.usd / self.quantity if self.usd is not None and self.quantity else None
        return price, self.quantity, self.type if self.type in ("buy", "sell") else None, self.time_ms, self.id


@lazy
@attrs.frozen(kw_only=True, slots=False)
class WalletTransaction(Transaction):
    """One trade of a wallet (``walletTx``): a ``Transaction`` with its token and pair.

    Attributes:
        token: the wire's ``m``.
        base_token, base_symbol: its ``bm`` and ``bs``, the currency of payment.

    Source: docs.dbotx.com/reference/wallet-live-trades-alert.
    """

    token: Optional[str] = wire("m", text, default=None)
    base_token: Optional[str] = wire("bm", text, default=None)
    base_symbol: Optional[str] = wire("bs", text, default=None)


@attrs.frozen(kw_only=True)
class Window:
    """The figures of a pair within one interval.

    Attributes:
        interval: ``"1m"``, ``"5m"``, ``"1h"``, ``"6h"`` or ``"24h"``.
        buys, sells: the wire's ``bt`` and ``st``, how many.
        buy_volume, sell_volume: its ``bv`` and ``sv``.
        price_change: its ``pc``, a fraction: 0.1 is 10 %.
    """

    interval: str
    buys: Optional[Decimal] = None
    sells: Optional[Decimal] = None
    buy_volume: Optional[Decimal] = None
    sell_volume: Optional[Decimal] = None
    price_change: Optional[Decimal] = None


_WINDOW_KEYS = (("buys", "bt"), ("sells", "st"), ("buy_volume", "bv"), ("sell_volume", "sv"), ("price_change", "pc"))
_FIGURES = {interval: tuple((name, key + interval) for name, key in _WINDOW_KEYS) for interval in INTERVALS}


def _window(document: Dict[str, Any], interval: str) -> Optional[Window]:
    found = {name: decimal(document[key]) for name, key in _FIGURES[interval] if document.get(key) is not None}
    return Window(interval=interval, **found) if found else None


def _windows(document: Dict[str, Any]) -> Tuple[Window, ...]:
    return tuple(filter(None, (_window(document, interval) for interval in INTERVALS)))


@lazy
@attrs.frozen(kw_only=True, slots=False)
class PairInfo(Lazy):
    """The figures of one pair (``pairInfo``, ``pairsInfo``).

    Attributes:
        pair: the pair's address; None on ``pairInfo``, for which no page shows one.
        windows: one for each time span that the venue sent figures for, shortest first.
        token_price: the wire's ``tp``.
        token_reserve, base_reserve, currency_reserve: its ``tr``, ``sr`` and ``cr``, the pool's reserves.
        top10_share: its ``t10``, the share of the ten largest holders, a fraction.
        burned_share: its ``blp``, the share of the liquidity that is burned, a fraction.
        freeze_authority, mint_authority: its ``fa`` and ``ma``.

    Source: docs.dbotx.com/reference/tokens-update-alert, guide-en.dbotx.com token-details-alert.
    """

    pair: Optional[str] = wire(None, _pair, default=None)
    windows: Tuple[Window, ...] = wire(None, _windows, default=())
    token_price: Optional[Decimal] = wire("tp", decimal, default=None)
    token_reserve: Optional[Decimal] = wire("tr", decimal, default=None)
    base_reserve: Optional[Decimal] = wire("sr", decimal, default=None)
    currency_reserve: Optional[Decimal] = wire("cr", decimal, default=None)
    top10_share: Optional[Decimal] = wire("t10", decimal, default=None)
    burned_share: Optional[Decimal] = wire("blp", decimal, default=None)
    freeze_authority: Optional[bool] = wire("fa", boolean, default=None)
    mint_authority: Optional[bool] = wire("ma", boolean, default=None)

    def window(self, interval: str) -> Optional[Window]:
        """Return the figures of ``interval``, e.g. ``"1m"``; None if the venue sent none. Raises ``UnreadableField``."""
        if interval in INTERVALS and "windows" not in vars(self):
            try:
                return _window(self._document, interval)  # at a fifth of what all cost
            except (TypeError, ValueError, ArithmeticError):
                pass  # ``windows`` tells it
        return next((window for window in self.windows if window.interval == interval), None)


@lazy
@attrs.frozen(kw_only=True, slots=False)
class NewPair(PairInfo):
    """A pair that was created (``newPairInfo``) or moved to another pool (``migratedPairInfo``, whose fields no readable
    page lists: it is read by the same names).

    Attributes:
        token: the wire's ``m``.
        name, symbol, image: its ``n``, ``s`` and ``im``.
        created_ms: its ``ca``.
        supply: its ``sl``.
        pool_type: its ``pt``, e.g. ``"pump"``.

    Source: guide-en.dbotx.com new-tokens-alert.
    """

    token: Optional[str] = wire("m", text, default=None)
    name: Optional[str] = wire("n", text, default=None)
    symbol: Optional[str] = wire("s", text, default=None)
    image: Optional[str] = wire("im", text, default=None)
    created_ms: Optional[int] = wire("ca", milliseconds, default=None)
    supply: Optional[Decimal] = wire("sl", decimal, default=None)
    pool_type: Optional[str] = wire("pt", text, default=None)


read_swap_order = reader(SwapOrder)
read_trade_result = reader(TradeResult)
read_transactions = each(reader(Transaction))
read_wallet_transactions = each(reader(WalletTransaction))
read_pair_info = reader(PairInfo)
read_migrated_pair = reader(NewPair)


def read_new_pair(document: Any) -> NewPair:
    """Read a new pair, which would be useless without its address."""
    new = read_migrated_pair(document)
    if new.pair is None:
        raise ProtocolError("NewPair: the field 'p' is missing")
    return new
