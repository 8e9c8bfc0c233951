"""``DBotTradeClient``: DBot's tasks as blocking methods, and the results of trades as a subscription."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Sequence

from dbxsdk.arguments import check_credential, check_flag, check_word, spelled_out
from dbxsdk.credentials import hidden
from dbxsdk.dbot import models
from dbxsdk.dbot.rest import REST_ORIGIN
from dbxsdk.dbot.trade.arguments import choice, identifiers, params
from dbxsdk.dbot.trade.protocol import DBotTradeProtocol
from dbxsdk.dbot.trade.resolving import ResolvingClient
from dbxsdk.dbot.trade.task_fields import (
    Dev, ExitPage, Follow, FollowPage, Limit, LimitEdit, LimitPage, MultiWalletSwap, Snipe, StatePage, Swap,
)
from dbxsdk.errors import ProtocolError
from dbxsdk.options import Options

if TYPE_CHECKING:
    from typing_extensions import Unpack

TRADE_URL = "wss://api-bot-v1.dbotx.com/trade/ws/"
"""The documented address. The code samples of the same pages name the host of the data socket; every client in use that
could be found uses this one."""

Extra = Optional[Mapping[str, Any]]

_ids = identifiers()
_source = choice("swap_order", "follow_order")
_maker = choice("swap_order", "follow_order", "manual")


class DBotTradeClient(ResolvingClient):
    """DBot's trade socket: requests for tasks, and the results of trades as a subscription.

    Unofficial. The venue's overview page reserves its API for trading one's own funds and says that third parties
    are not licensed to build upon it: read its terms before you build for others.

    **A task is not a trade.** A create method that returns says that the venue took the task. ``subscribe("tradeResults",
    ...)`` brings its outcome, or ``get_swap_order`` returns it.

    **Nothing is idempotent.** The venue takes no id of yours, and the SDK never sends twice. After an
    ``OutcomeUnknown`` (``RequestTimeout``, ``ConnectionLost``) of a create, ask ``resolve`` first: sending it again may trade
    twice. Setting the same thing once more (a toggle, a delete) does no harm.

    **Similar names, very different effects:**

    ===================================== =========================================================================
    method                                what it does
    ===================================== =========================================================================
    ``update_follow_order``               switches one task on or off, and nothing else
    ``batch_toggle_follow_order``         the same for several
    ``batch_update_follow_order``         REPLACES THE WALLET of several: they trade other money from then on
    ``create_or_update_follow_order``     without ``id`` creates a task; with ``id`` OVERWRITES ALL of one: what is left
                                          out is reset to its default
    ``batch_update_dev_order``            switches several on or off (it does not replace wallets)
    ``delete_limit_orders``               deletes these; they may be take profit and stop loss tasks, too
    ``delete_all_limit_orders``           deletes ALL, INCLUDING the take profit and stop loss tasks of fast trades
                                          and of copy trading, in any state: positions are left unguarded
    ``delete_all_trailing_stop_orders``   deletes all trailing stops of one source
    ===================================== =========================================================================

    All methods block, and raise:

    * ``TypeError``, ``ValueError``: an argument is wrong; it is named, and nothing was sent. Booleans must be real
      ones; numbers may be ``Decimal``, ``int``, ``float`` or ``str`` and go out as the venue's pages show them.
    * ``VenueError``: the venue answered ``err: true``; ``reply`` is the whole answer, since no page describes it.
      Nothing was done.
    * ``RequestTimeout``, ``ConnectionLost``: sent, no answer; see above. It is not documented how the venue responds to a
      method that it does not know or cannot read; there may be no answer at all.
    * ``ProtocolError``: an answer that says neither yes nor no, or lacks what is documented: treat it like no answer.
    * ``ConnectError``, ``ClientClosed``, ``WrongThreadError``: nothing was sent.

    A keyword that is not documented is a ``TypeError`` that names the nearest one. What the venue has beside the documented
    fields goes into ``extra``, unchecked and in its own spelling (``extra={"maxBuyTimesPerToken": 3}``), and None there as
    ``null`` (``extra={"jitoTip": None}``: automatic). Arguments that are None are left out, so that the venue's default
    holds. ``timeout`` is in seconds, in place of ``request_timeout``. ``call`` sends any other method of the venue.

    **Trade results:** ``subscribe("tradeResults", types, callback=...)``; the symbols are the wanted types
    (``dbxsdk.dbot.TYPES``, e.g. ``"swap_buy_success"``; others are passed on as they are), and none means all.
    ``Update.data`` is a ``TradeResult``, ``Update.symbol`` its type, ``""`` if that is not known. One connection has one
    filter: the client always asks for all that its subscriptions want together, and each callback gets only its own types.
    A result that may have two types (some failures do not say whether they bought or sold) goes to subscribers of either,
    so that none is lost; one whose type is not known goes to subscribers of all, and of types that are in no list. The
    venue has no unsubscribe: after the last ``unsubscribe`` its results are ignored. It repeats nothing: with
    ``backfill=True`` what was missed comes out of its records of fast trades and copies, those that failed included, and of all
    others that succeeded; exits, limit orders and snipers that failed are in no record, so ``Filled`` is never complete where
    they are wanted. It needs a paid plan (Plus, Pro, Enterprise), the requests do not.

    Args:
        api_key: goes into the handshake's ``x-api-key`` header; a wrong one (HTTP 401) is an ``AuthError``, final.
        url: a whole address in place of ``TRADE_URL``.
        options: see ``Options``. ``heartbeat_interval`` is 30 s unless given, and 55 s at most: after a minute of
            silence the venue disconnects.
        rest_url: the origin that ``resolve``, ``backfill`` and ``since`` ask. None: the venue's own, if ``url`` is not given.

    Raises:
        TypeError, ValueError: naming the argument; the key is in no message.

    Source: docs.dbotx.com/reference, the pages marked "(WS)", and its Chinese edition.
    """

    _relayed = {"dbot:trade": {}}

    def __init__(
        self, api_key: str, *, url: Optional[str] = None, options: Optional[Options] = None, rest_url: Optional[str] = None
    ) -> None:
        api_key = hidden(api_key)
        address = url.strip() if isinstance(url, str) else TRADE_URL if url is None else url  # pages print it with a blank
        if rest_url is None and url is None:
            rest_url = REST_ORIGIN
        headers = {"x-api-key": check_credential("api_key", api_key)}
        super().__init__(DBotTradeProtocol(), address, options=options, headers=headers)
        self._resolve_at(rest_url, api_key)

    # -- fast trades -----------------------------------------------------------------------------------

    @spelled_out(Swap)
    def create_swap_order(self, *, extra: Extra = None, timeout: Optional[float] = None, **fields: Unpack[Swap]) -> Any:
        """Buy or sell at once (``createSwapOrder``). Returns the venue's ``res``, by its REST twin ``{"id": ...}``:
        the task was taken, not carried out. **Never send it again without asking**: see the class.

        Args:
            chain: ``"solana"``, ``"ethereum"``, ``"base"``, ``"bsc"`` or ``"tron"``.
            pair: the pair's or the token's address.
            wallet_id: the venue's id of the wallet.
            type: ``"buy"`` or ``"sell"``.
            amount_or_percent: to buy, an amount of the chain's currency; to sell, a fraction (0.5 is half).
            priority_fee: in SOL, as text on the wire; ``""`` is automatic.
            gas_fee_delta, max_fee_per_gas: in Gwei, on EVM chains.
            jito_tip: in SOL; ``extra={"jitoTip": None}`` is automatic.
            max_slippage: a fraction, 0 to 1.
            concurrent_nodes: 1 to 3.
            retries: 0 to 10.
            stop_earn_percent, stop_loss_percent: fractions from the price of the trade.
            stop_earn_group, stop_loss_group, trailing_stop_group: lists of ``{"pricePercent": ..., "amountPercent":
                ...}``; trailing stops also have ``"activePricePercent"``.
            pnl_order_expire_delta: life of the exits in ms.

        Source: docs.dbotx.com/reference/fast-buy-sell-ws.
        """
        return self._trade("createSwapOrder", params(Swap, fields, extra), timeout)

    @spelled_out(MultiWalletSwap)
    def create_swap_orders_multi_wallet(
        self, *, extra: Extra = None, timeout: Optional[float] = None, **fields: Unpack[MultiWalletSwap]
    ) -> Any:
        """Buy or sell with several wallets at once (``createSwapOrdersMultiWallet``): **the amount is that of EACH
        wallet**. ``wallet_id_list`` has 1 to 5 ids, all else is as in ``create_swap_order``. Returns the venue's
        ``res``, which no readable page shows. Never send it again without asking.

        Source: docs.dbotx.com/reference/multi-fast-buy-sell-ws.
        """
        return self._trade("createSwapOrdersMultiWallet", params(MultiWalletSwap, fields, extra), timeout)

    def get_swap_order(self, order_id: str, *, timeout: Optional[float] = None) -> models.SwapOrder:
        """Return the state of one fast trade (``getSwapOrder``). Safe to retry.

        Source: docs.dbotx.com/reference/fast-buy-sell-task-ws.
        """
        return models.read_swap_order(self.call("getSwapOrder", {"orderId": check_word("order_id", order_id)}, timeout=timeout))

    def get_swap_orders(self, ids: Sequence[str], *, timeout: Optional[float] = None) -> Dict[str, models.SwapOrder]:
        """Return the states of several fast trades, by id (``getSwapOrders``); an id that the venue does not know is not
        among them. Safe to retry.

        Source: docs.dbotx.com/reference/multi-wallet-fast-buy-sell-task-ws.
        """
        orders = self._list("getSwapOrders", {"ids": _ids("ids", ids)}, timeout)
        return {order.id: order for order in map(models.read_swap_order, orders)}

    # -- limit orders ------------------------------------------------------------------------------------

    @spelled_out(Limit)
    def create_limit_order(self, *, extra: Extra = None, timeout: Optional[float] = None, **fields: Unpack[Limit]) -> Any:
        """Create limit orders (``createLimitOrder``), one for each of ``settings``. Returns the venue's ``res``, by its
        REST twin ``{"ids": [...]}``. Never send it again without asking. Limited to 60 a minute (Enterprise 150).

        Args:
            settings: dicts in the venue's own spelling: ``tradeType`` (``"buy"``/``"sell"``), ``triggerPriceUsd`` and
                ``currencyAmountUI`` (numbers, text on the wire), ``triggerDirection`` (``"up"``/``"down"``),
                ``enabled``, and the fields of ``create_swap_order`` that say how to trade.
            group_id: puts the orders into a group.

        Source: docs.dbotx.com/reference/create-limit-order-ws.
        """
        return self.call("createLimitOrder", params(Limit, fields, extra), timeout=timeout)

    @spelled_out(LimitEdit)
    def update_limit_order(
        self, id: str, *, extra: Extra = None, timeout: Optional[float] = None, **fields: Unpack[LimitEdit]
    ) -> Any:
        """Edit one limit order (``updateLimitOrder``). The page does not say what becomes of fields that are left
        out: give all that you rely on. ``currency_amount_ui`` is sent as a number here, as on the page.

        Source: docs.dbotx.com/reference/edit-limit-order-ws.
        """
        document = {"id": check_word("id", id), **params(LimitEdit, fields, extra)}
        return self.call("updateLimitOrder", document, timeout=timeout)

    @spelled_out(LimitPage)
    def list_limit_orders(self, *, timeout: Optional[float] = None, **fields: Unpack[LimitPage]) -> List[Any]:
        """Return one page of the limit orders (``listLimitOrders``) as the venue's dicts. ``page`` counts from 0 (the default),
        ``size`` is 20 at most (the default); ``state`` e.g. ``"init"``. A page with fewer rows is the last. Safe to retry.

        Source: docs.dbotx.com/reference/limit-orders-ws.
        """
        return self._page("listLimitOrders", LimitPage, fields, timeout)

    def delete_limit_orders(self, ids: Sequence[str], *, timeout: Optional[float] = None) -> Any:
        """Delete limit orders (``deleteLimitOrders``); **take profit and stop loss tasks are limit orders, too**.

        Source: docs.dbotx.com/reference/delete-limit-orders-ws.
        """
        return self.call("deleteLimitOrders", {"ids": _ids("ids", ids)}, timeout=timeout)

    def delete_all_limit_orders(self, *, timeout: Optional[float] = None) -> Any:
        """Delete **ALL limit orders, AND ALL take profit and stop loss tasks** of fast trades and of copy trading, in
        any state (``deleteAllLimitOrders``). Positions that they guarded are unguarded from then on.

        Source: docs.dbotx.com/reference/delete-all-limit-orders-ws.
        """
        return self.call("deleteAllLimitOrders", timeout=timeout)

    # -- copy trading ------------------------------------------------------------------------------------

    @spelled_out(Follow)
    def create_or_update_follow_order(
        self, *, extra: Extra = None, timeout: Optional[float] = None, **fields: Unpack[Follow]
    ) -> Any:
        """Create a copy trading task, or **OVERWRITE a whole one** (``createOrUpdateFollowOrder``).

        Without ``id`` it creates a task; sent twice, it creates two. With ``id`` it replaces ALL of the task: **every
        field that is left out is reset to its default**. To switch a task on or off, use ``update_follow_order``; to
        give it another wallet, ``batch_update_follow_order``.

        Args:
            target_ids: the wallets to follow.
            wallet_id: the venue's id of the wallet that trades.
            buy_settings, sell_settings: dicts in the venue's own spelling.
            dex_filter: the exchanges to copy; left out: all.

        Source: docs.dbotx.com/v1.0-dex-zh/reference/edit-copy-trading-ws.
        """
        return self.call("createOrUpdateFollowOrder", params(Follow, fields, extra), timeout=timeout)

    def update_follow_order(
        self, id: str, enabled: bool, close_pnl_order: bool = False, *, timeout: Optional[float] = None
    ) -> Any:
        """**Switch one copy trading task on or off, and nothing else** (``updateFollowOrder``). Sending the same
        again changes nothing more.

        Args:
            close_pnl_order: also close all take profit and stop loss tasks that it made; has an effect only if
                ``enabled`` is False.

        Source: docs.dbotx.com/v1.0-dex-zh/reference/switch-copy-trading-ws.
        """
        return self._switch("updateFollowOrder", {"id": check_word("id", id)}, enabled, close_pnl_order, timeout)

    def batch_toggle_follow_order(
        self, ids: Sequence[str], enabled: bool, close_pnl_order: bool = False, *, timeout: Optional[float] = None
    ) -> Any:
        """Switch several copy trading tasks on or off (``batchToggleFollowOrder``), like ``update_follow_order``. The
        page's sample has ``closePnlOrder`` as the text ``"false"``; here it is sent as a real boolean.

        Source: docs.dbotx.com/reference/switch-copy-tradings-ws.
        """
        return self._switch("batchToggleFollowOrder", {"ids": _ids("ids", ids)}, enabled, close_pnl_order, timeout)

    def batch_update_follow_order(self, ids: Sequence[str], wallet_id: str, *, timeout: Optional[float] = None) -> Any:
        """**REPLACE THE WALLET** of several copy trading tasks (``batchUpdateFollowOrder``): they trade the money of
        ``wallet_id`` from then on. It does not switch them; that is ``batch_toggle_follow_order``.

        Source: docs.dbotx.com/reference/batch-replacement-of-copy-wallets-ws.
        """
        document = {"ids": _ids("ids", ids), "walletId": check_word("wallet_id", wallet_id)}
        return self.call("batchUpdateFollowOrder", document, timeout=timeout)

    @spelled_out(FollowPage)
    def list_follow_orders(self, *, timeout: Optional[float] = None, **fields: Unpack[FollowPage]) -> List[Any]:
        """Return one page of the copy trading tasks (``listFollowOrders``) as the venue's dicts; see ``list_limit_orders``.

        Source: docs.dbotx.com/reference/copy-trading-tasks-ws.
        """
        return self._page("listFollowOrders", FollowPage, fields, timeout)

    def delete_follow_orders(self, ids: Sequence[str], *, timeout: Optional[float] = None) -> Any:
        """Delete copy trading tasks (``deleteFollowOrders``).

        Source: docs.dbotx.com/v1.0-dex-zh/reference/delete-copy-trading-tasks-ws (its table says ``id``, its samples
        ``ids``).
        """
        return self.call("deleteFollowOrders", {"ids": _ids("ids", ids)}, timeout=timeout)

    # -- exits -------------------------------------------------------------------------------------------

    @spelled_out(ExitPage)
    def list_trailing_stop_orders(self, source: str, *, timeout: Optional[float] = None, **fields: Unpack[ExitPage]) -> List[Any]:
        """Return one page of the trailing stops (``listTrailingStopOrders``) as the venue's dicts. ``source`` is
        ``"swap_order"`` or ``"follow_order"``, ``source_id`` the task that made them. Safe to retry.

        Source: docs.dbotx.com/reference/trailing-stop-tasks-ws.
        """
        return self._page("listTrailingStopOrders", ExitPage, fields, timeout, source=_source("source", source))

    def delete_all_trailing_stop_orders(self, source: str, *, timeout: Optional[float] = None) -> Any:
        """Delete **ALL trailing stops** of ``source``, ``"swap_order"`` or ``"follow_order"``
        (``deleteAllTrailingStopOrders``). Positions that they guarded are unguarded from then on.

        Source: docs.dbotx.com/reference/delete-all-trailing-stop-ws.
        """
        return self.call("deleteAllTrailingStopOrders", {"source": _source("source", source)}, timeout=timeout)

    @spelled_out(ExitPage)
    def list_pnl_orders_from_swap_order(self, *, timeout: Optional[float] = None, **fields: Unpack[ExitPage]) -> List[Any]:
        """Return one page of the take profit and stop loss tasks that fast buys made (``listPnlOrdersFromSwapOrder``) as the
        venue's dicts; ``source_id`` is the fast trade. They are limit orders: ``update_limit_order`` and
        ``delete_limit_orders`` take their ids. Give ``state`` for those that are done: the venue may list ``"init"`` only
        where it is left out. Safe to retry.

        Source: docs.dbotx.com/reference/fast-buy-sell-tp-sl-tasks-ws.
        """
        return self._page("listPnlOrdersFromSwapOrder", ExitPage, fields, timeout)

    @spelled_out(ExitPage)
    def list_pnl_orders_from_follow_order(self, *, timeout: Optional[float] = None, **fields: Unpack[ExitPage]) -> List[Any]:
        """Return one page of the take profit and stop loss tasks that copy trading made (``listPnlOrdersFromFollowOrder``) as
        the venue's dicts; ``source_id`` is the copy trading task. Safe to retry.

        Source: docs.dbotx.com/v1.0-dex-zh/reference/copy-trading-tp-sl-tasks-ws.
        """
        return self._page("listPnlOrdersFromFollowOrder", ExitPage, fields, timeout)

    @spelled_out(StatePage)
    def list_migrate_orders(self, source: str, *, timeout: Optional[float] = None, **fields: Unpack[StatePage]) -> List[Any]:
        """Return one page of the tasks that sell at a token's opening (``listMigrateOrders``) as the venue's dicts. ``source``
        is what made them: ``"swap_order"``, ``"follow_order"`` or ``"manual"``. Safe to retry.

        Source: docs.dbotx.com/reference/opening-sell-tasks-ws.
        """
        return self._page("listMigrateOrders", StatePage, fields, timeout, source=_maker("source", source))

    def delete_migrate_orders(self, ids: Sequence[str], *, timeout: Optional[float] = None) -> Any:
        """Delete tasks that sell at a token's opening (``deleteMigrateOrders``).

        Source: docs.dbotx.com/reference/delete-opening-sell-tasks-ws.
        """
        return self.call("deleteMigrateOrders", {"ids": _ids("ids", ids)}, timeout=timeout)

    # -- snipers and developers' sales ---------------------------------------------------------------------

    @spelled_out(Snipe)
    def create_snipe_order(self, *, extra: Extra = None, timeout: Optional[float] = None, **fields: Unpack[Snipe]) -> Any:
        """Create a task that buys a token as soon as it can be bought (``createSnipeOrder``). Returns the venue's
        ``res``, which no readable page shows. Never send it again without asking.

        Args:
            expire_delta: the task's life in ms, 432,000,000 at most (five days).
            buy_settings: a dict in the venue's own spelling, with ``buyAmountUI`` (a number, text on the wire).

        Source: docs.dbotx.com/reference/create-auto-sniper-ws.
        """
        return self.call("createSnipeOrder", params(Snipe, fields, extra), timeout=timeout)

    @spelled_out(StatePage)
    def list_snipe_orders(self, *, timeout: Optional[float] = None, **fields: Unpack[StatePage]) -> List[Any]:
        """Return one page of the sniper tasks (``listSnipeOrders``) as the venue's dicts, which have a ``buyState`` and a
        ``sellState``; see ``list_limit_orders``.

        Source: docs.dbotx.com/reference/auto-sniper-tasks-ws.
        """
        return self._page("listSnipeOrders", StatePage, fields, timeout)

    def delete_snipe_order(self, id: str, *, timeout: Optional[float] = None) -> Any:
        """Delete one sniper task (``deleteSnipeOrder``).

        Source: docs.dbotx.com/reference/delete-auto-sniper-ws.
        """
        return self.call("deleteSnipeOrder", {"id": check_word("id", id)}, timeout=timeout)

    def delete_snipe_orders(self, ids: Sequence[str], *, timeout: Optional[float] = None) -> Any:
        """Delete sniper tasks (``deleteSnipeOrders``).

        Source: docs.dbotx.com/reference/delete-auto-sniper-tasks-ws.
        """
        return self.call("deleteSnipeOrders", {"ids": _ids("ids", ids)}, timeout=timeout)

    @spelled_out(Dev)
    def create_dev_order(self, *, extra: Extra = None, timeout: Optional[float] = None, **fields: Unpack[Dev]) -> Any:
        """Create a task that sells when a token's developer sells (``createDevOrder``). Returns the venue's ``res``, by its
        REST twin ``{"id": ...}``. Never send it again without asking.

        Args:
            pair_type: where the pair trades, e.g. ``"pump"``.
            min_dev_sell_percent: the fraction, 0 to 1, that the developer must sell.
            amount_or_percent: the fraction, 0 to 1, of the holding that is sold then.
            expire_delta: the task's life in ms, 432,000,000 at most (five days).

        Source: docs.dbotx.com/reference/create-dev-sell-ws.
        """
        return self.call("createDevOrder", params(Dev, fields, extra), timeout=timeout)

    @spelled_out(StatePage)
    def list_dev_orders(self, source: str, *, timeout: Optional[float] = None, **fields: Unpack[StatePage]) -> List[Any]:
        """Return one page of the developer tasks (``listDevOrders``) as the venue's dicts. ``source`` is what made them:
        ``"swap_order"``, ``"follow_order"`` or ``"manual"`` (``create_dev_order``). Safe to retry.

        Source: docs.dbotx.com/reference/dev-sell-tasks-ws.
        """
        return self._page("listDevOrders", StatePage, fields, timeout, source=_maker("source", source))

    def delete_dev_order(self, id: str, *, timeout: Optional[float] = None) -> Any:
        """Delete one developer task (``deleteDevOrder``).

        Source: docs.dbotx.com/reference/delete-dev-sell-ws.
        """
        return self.call("deleteDevOrder", {"id": check_word("id", id)}, timeout=timeout)

    def batch_update_dev_order(self, ids: Sequence[str], enabled: bool, *, timeout: Optional[float] = None) -> Any:
        """**Switch** several developer tasks on or off (``batchUpdateDevOrder``); unlike ``batch_update_follow_order``,
        whose name is alike, it does not touch wallets.

        Source: docs.dbotx.com/reference/switch-dev-sells-ws.
        """
        document = {"ids": _ids("ids", ids), "enabled": check_flag("enabled", enabled)}
        return self.call("batchUpdateDevOrder", document, timeout=timeout)

    def _trade(self, method: str, document: Mapping[str, Any], timeout: Optional[float]) -> Any:
        fraction = document["amountOrPercent"]
        # A 50 that was meant as a half must not sell by accident what the venue makes of it.
        if document["type"] == "sell" and fraction > 1:
            raise ValueError(f"amount_or_percent must be a fraction up to 1 to sell (0.5 is half), not {fraction}")
        return self.call(method, document, timeout=timeout)

    def _switch(self, method: str, which: Mapping[str, Any], enabled: bool, close: bool, timeout: Optional[float]) -> Any:
        switches = {"enabled": check_flag("enabled", enabled), "closePnlOrder": check_flag("close_pnl_order", close)}
        return self.call(method, {**which, **switches}, timeout=timeout)

    def _page(self, method: str, page: type, fields: Any, timeout: Optional[float], **source: str) -> List[Any]:
        return self._list(method, {"page": 0, "size": 20, **source, **params(page, fields)}, timeout)

    def _list(self, method: str, document: Mapping[str, Any], timeout: Optional[float]) -> List[Any]:
        items = self.call(method, document, timeout=timeout)
        if not isinstance(items, list):
            raise ProtocolError(f"the answer to {method} must be a list, not {type(items).__name__}")
        return items
