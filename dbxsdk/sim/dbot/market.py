"""A small market as DBot's data socket shows it: trades by known wallets, figures of pairs, pairs that are made."""

from __future__ import annotations

import random
from collections import deque
from decimal import Decimal
from typing import Any, Deque, Dict, List, Optional, Tuple

import attrs

from dbxsdk.sim.market.market import Instrument, Market, Trade

BASE_TOKEN = "So11111111111111111111111111111111111111112"
BASE_SYMBOL = "SOL"
BASE_USD = 150.0
"""What the currency that pairs are paid with is worth; it does not move here."""

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_WINDOWS_MS = {"1m": 60_000, "5m": 300_000, "1h": 3_600_000, "6h": 21_600_000, "24h": 86_400_000}
_KEPT = 2_000
_LEVELS = 40
_SUPPLY = 1_000_000_000
_PRICES = ("0.0124", "0.0003", "1.85")


@attrs.frozen
class Pair:
    """A pair that is traded: its address, its token's address, and what people call it."""

    pair: str
    token: str
    name: str
    symbol: str


@attrs.frozen
class PairTrade:
    """One trade as the data socket shows it."""

    pair: Pair
    wallet: str
    buy: bool
    price_usd: Decimal
    quantity: Decimal
    time_ms: int
    document: Dict[str, Any]


class DBotMarket:
    """The pairs, their trades and the wallets that trade."""

    def __init__(self, seed: int, start_us: int, *, wallets: int = 4) -> None:
        self._rng = random.Random(f"dbot:{seed}")
        self.pairs: Dict[str, Pair] = {}
        instruments = []
        for number, price in enumerate(_PRICES):
            pair = Pair(address(self._rng), address(self._rng, "pump"), f"Local Coin {number + 1}", f"LOC{number + 1}")
            self.pairs[pair.pair] = pair
            tick = Decimal(price) / 1000
            instruments.append(Instrument(pair.pair, pair.symbol, "USD", Decimal(price), tick, Decimal(1)))
        self.wallets: Tuple[str, ...] = tuple(address(self._rng) for _ in range(wallets))
        self._market = Market(instruments, seed=seed, start_us=start_us, levels=_LEVELS)
        self._recent: Dict[str, Deque[PairTrade]] = {name: deque(maxlen=_KEPT) for name in self.pairs}

    def find(self, name: Any) -> Optional[Pair]:
        """Return the pair of this address, or of this token's."""
        return next((pair for pair in self.pairs.values() if name in (pair.pair, pair.token)), None)

    def price_usd(self, pair: str) -> Decimal:
        return self._market.symbols[pair].ticker().last

    def step(self, now_us: int) -> List[PairTrade]:
        """Move the market on and return the trades of the step."""
        if not self._market.begun:
            self._market.begin()  # its wallets trade whether anybody looks at a pair or not
        trades = [self._trade(trade) for several in self._market.step(now_us).values() for trade in several]
        for trade in trades:
            self._recent[trade.pair.pair].append(trade)
        return trades

    def _trade(self, trade: Trade) -> PairTrade:
        pair = self.pairs[trade.symbol]
        wallet = self.wallets[trade.id % len(self.wallets)]
        usd = float(trade.price * trade.size)
        document = {
            "i": str(trade.id),
            "t": trade.time_us // 1_000_000,
            "tx": transaction_hash(self._rng),
            "d": "local swap program",
            "ac": wallet,
            "tt": "buy" if trade.buy else "sell",
            "s": usd / BASE_USD,
            "u": usd,
            "q": float(trade.size),
        }
        return PairTrade(pair, wallet, trade.buy, trade.price, trade.size, trade.time_us // 1000, document)

    def wallet_document(self, trade: PairTrade) -> Dict[str, Any]:
        """Return the trade as ``walletTx`` has it."""
        return {**trade.document, "m": trade.pair.token, "p": trade.pair.pair, "bm": BASE_TOKEN, "bs": BASE_SYMBOL}

    def figures(self, name: str, now_ms: int) -> Dict[str, Any]:
        """Return what ``pairInfo`` carries. Its windows begin with the venue, so they hold what was really pushed."""
        price = self.price_usd(name)
        document: Dict[str, Any] = {}
        for window, length in _WINDOWS_MS.items():
            trades = [trade for trade in self._recent[name] if trade.time_ms > now_ms - length]
            buys = [float(trade.price_usd * trade.quantity) for trade in trades if trade.buy]
            sells = [float(trade.price_usd * trade.quantity) for trade in trades if not trade.buy]
            document[f"bt{window}"], document[f"st{window}"] = len(buys), len(sells)
            document[f"bv{window}"], document[f"sv{window}"] = sum(buys), sum(sells)
            document[f"pc{window}"] = float(price / trades[0].price_usd - 1) if trades else 0
        reserve = 0.4 * _SUPPLY
        document.update(tp=float(price), tr=reserve, sr=reserve * float(price) / BASE_USD)
        # Numbers may be null: these two are until the venue has looked.
        document.update(cr=document["sr"], t10=None, blp=None, fa=True, ma=True)
        return document

    def new_pair(self, now_ms: int) -> Dict[str, Any]:
        """Make a pair at this moment, by a wallet that bought first."""
        number = self._rng.randrange(10_000)
        return {
            "p": address(self._rng),
            "m": address(self._rng, "pump"),
            "n": f"New Coin {number}",
            "s": f"NEW{number}",
            "im": f"https://example.org/{number}.png",
            "ca": now_ms,
            "lk": [],
            "sl": _SUPPLY,
            "pt": "pump",
            **{f"bt{window}": 1 for window in _WINDOWS_MS},
            **{f"st{window}": 0 for window in _WINDOWS_MS},
            "tp": 2.8e-06,
            "tr": 790_000_000.5,
            "sr": 0.25,
            "cr": 0.25,
            "t10": None,
            "blp": 1,
            "fa": True,
            "ma": True,
        }


def address(rng: random.Random, ending: str = "") -> str:
    """Return a text that looks like an address."""
    return "".join(rng.choice(_BASE58) for _ in range(44 - len(ending))) + ending


def transaction_hash(rng: random.Random) -> str:
    return "".join(rng.choice(_BASE58) for _ in range(88))
