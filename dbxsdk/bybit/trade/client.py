"""The client of Bybit's order entry socket: place, amend and cancel orders, singly and in batches."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple, Union, get_args

from dbxsdk.arguments import check_choice, check_int, check_seconds, check_word, spelled_out
from dbxsdk.bybit.auth import AUTH_WINDOW, Credentials, Signer
from dbxsdk.bybit.base_client import BybitClient
from dbxsdk.bybit.endpoints import private_url, rest_origin
from dbxsdk.bybit.rest import RECV_WINDOW_MS
from dbxsdk.bybit.rest_rows import CATEGORIES
from dbxsdk.bybit.trade.certainty import Question
from dbxsdk.bybit.trade.order_fields import (
    AMEND,
    AMEND_BATCH,
    CANCEL,
    CANCEL_BATCH,
    CREATE,
    CREATE_BATCH,
    AmendedOrder,
    CancelledOrder,
    Category,
    NewOrder,
    Operation,
    checked_order,
)
from dbxsdk.bybit.trade.protocol import BATCH_ORDERS, BybitTradeProtocol
from dbxsdk.bybit.trade.resolving import Resolver
from dbxsdk.bybit.trade.results import BatchResult, OrderResult, failures, read_batch, read_order
from dbxsdk.bybit.trade.sent import by_link_id, is_batch, orders_of, questions_of
from dbxsdk.credentials import hidden
from dbxsdk.errors import ConnectError, OutcomeUnknown
from dbxsdk.options import Options
from dbxsdk.protocol import Request
from dbxsdk.runtime.log import ClientLog
from dbxsdk.sent_requests import SentRequest
from dbxsdk.session import State

if TYPE_CHECKING:
    from typing_extensions import Unpack

SPOT_BATCH_ORDERS = 10

Extra = Optional[Mapping[str, Any]]


class BybitTradeClient(BybitClient):
    """Order entry for spot, linear and inverse contracts, and options.

    ::

        with dbxsdk.BybitTradeClient(api_key, api_secret, testnet=True) as client:
            result = client.place_order(
                category="linear", symbol="BTCUSDT", side="Buy", orderType="Limit", qty="0.001", price="50000"
            )
            client.cancel_order(category="linear", symbol="BTCUSDT", orderId=result.order_id)

    Every method blocks until the venue has answered, and may be called from any thread. A result means that the venue
    accepted the request for processing; what became of the order is pushed to a ``BybitPrivateClient`` (``order``).
    Construction does no I/O; the connection opens, and logs in, with ``open()`` or the first request. There are no
    subscriptions here, and the venue's paper trading (demo) has no order entry socket.

    The methods take the venue's own field names, each documented field as a keyword. Numbers (``Decimal``, int, float, str)
    are sent as plain decimal text, with the digits that they have. Fields that are None are left out. Before anything is sent,
    a keyword that is not documented raises ``TypeError`` with the nearest that is, a wrong type ``TypeError``, and a value
    outside of the venue's list, a field that the category does not have, or a combination that the venue's pages rule out
    ``ValueError``; False and 0 are accepted in any category. What the venue adds later goes into ``extra={...}``, in its
    spelling and **unchecked**. What depends on the account or the market (hedge mode, steps of prices), the venue judges.

    The methods raise:

    * ``VenueError``, with the venue's code in ``code``: the venue said no, and did nothing. The exception is code 10016,
      an internal error of the venue: ask for the order before trying again. With 10019 a node of the venue is about to
      restart and takes nothing new: use a new client.
    * ``RateLimited`` (a ``VenueError``; 10006, 10403, 10429, 20003, and 10003 for too many sessions): nothing was done; a
      retry is safe, later.
    * ``AuthError`` (a ``VenueError``; 10003, 10004, 10005, 10010): the key, its rights or its address list.
    * ``OutcomeUnknown`` (``RequestTimeout``, ``ConnectionLost``): sent, and no answer came: **the order may exist**. Ask
      ``resolve`` before trying again. The SDK never sends a request twice.
    * ``ConnectError``, ``ClientClosed``: nothing was sent; a retry is safe.
    * ``WrongThreadError``: called on the reader thread (``dispatch="inline"``); nothing was sent.

    So that ``OutcomeUnknown`` can always name the order, ``place_order`` and ``place_batch_order`` add an ``orderLinkId``
    (``dbx-`` and 32 hex digits) to each order that has none. ``call(op, params)`` sends what it is given and nothing else.

    ``call`` and ``submit`` take the operation's name and the **one** object that the venue's ``args`` hold, and return the
    reply's ``data``; for batches with the reply's ``retExtInfo`` added, which says which orders failed. If a future of
    ``submit`` ends as ``OutcomeUnknown``, that has the ``request_id`` only.

    Args:
        api_key, api_secret: of an HMAC key. ``api_secret`` may be None if there is a ``signer``, and is not used then.
        testnet: the venue's test network, which has keys of its own.
        max_active_time: time without any traffic after which the venue closes the connection: seconds (int), or its own
            text (``"45s"``, ``"2m"``), from 30 s to 600 s. The client sends a ping every 20 s. None: 600 s.
        recv_window: time in **milliseconds** for which the venue accepts a request after it was made; None: 5000, the
            venue's default. A request that waited longer, e.g. for a reconnect, is refused (10002) and has no effect.
        url: another address of the same protocol (a regional host, a local server).
        signer: makes the login's signature in place of HMAC; see ``BybitPrivateClient``, also for an RSA key.
        options: see ``Options``; ``request_timeout`` is how long the methods wait if no ``timeout`` is given.
        referer: a broker's id, sent with each request.
        auth_window: seconds for which a login's signature is valid; see ``BybitPrivateClient``. Requests have a time, too,
            and are refused (10002) if it is a second ahead: so the first login asks for the venue's clock in any case (a
            ping), and the answer to each request and each ping states it again. Such a refusal says whether this machine's
            clock was the cause, or the delay on the way; nothing was done, and a retry is safe.

    Raises:
        TypeError, ValueError: naming the argument.

    Source: https://bybit-exchange.github.io/docs/v5/websocket/trade/guideline
    """

    _protocol: BybitTradeProtocol

    def __init__(
        self,
        api_key: str,
        api_secret: Optional[str],
        *,
        testnet: bool = False,
        max_active_time: Optional[Union[int, str]] = None,
        recv_window: Optional[int] = None,
        url: Optional[str] = None,
        signer: Optional[Signer] = None,
        options: Optional[Options] = None,
        referer: Optional[str] = None,
        auth_window: float = AUTH_WINDOW,
        rest_url: Optional[str] = None,
    ) -> None:
        api_key, api_secret = hidden(api_key), hidden(api_secret)
        if recv_window is not None:
            check_int("recv_window", recv_window, least=1)
        if referer is not None:
            check_word("referer", referer)
        protocol = BybitTradeProtocol(
            Credentials(api_key, api_secret, signer), auth_window=auth_window, recv_window=recv_window, referer=referer
        )
        address = private_url("/v5/trade", testnet=testnet, url=url, max_active_time=max_active_time)
        super().__init__(protocol, address, options=options)
        self._origin = rest_origin(rest_url, testnet=testnet, url=url)
        # Of its own: they remember the last signature.
        self._credentials = Credentials(api_key, api_secret, signer)
        self._recv_window = RECV_WINDOW_MS if recv_window is None else recv_window
        self._rest = None if self._origin is None else self._new_rest()

    def close(self, timeout: float = 5) -> None:
        super().close(timeout)
        if self._rest is not None:
            self._rest.close()

    # -- single orders -------------------------------------------------------------------------------

    @spelled_out(NewOrder)
    def place_order(self, *, extra: Extra = None, timeout: Optional[float] = None, **fields: Unpack[NewOrder]) -> OrderResult:
        """Place one order (``order.create``). A retry after ``OutcomeUnknown`` is **not** safe: see the class.

        Args:
            category: ``"spot"``, ``"linear"``, ``"inverse"`` or ``"option"``.
            symbol: in upper case.
            side: ``"Buy"`` or ``"Sell"``.
            orderType: ``"Limit"`` or ``"Market"``.
            qty: in contracts or base coin; of market buys on spot in the quote coin, unless ``marketUnit`` says otherwise.
            price: needed for limit orders, unless ``orderIv`` or ``bboSideType`` says it.
            orderLinkId: 36 characters, not used before. Give one of your own, and keep it, if the program may be
                interrupted: no exception names the order after Ctrl-C.
            triggerPrice: makes the order conditional; needs ``triggerDirection`` (1: the market rises to it, 2: it falls
                to it) for contracts, ``orderFilter`` on spot.
            positionIdx: in hedge mode 1 for the long side, 2 for the short side.
            extra: fields that are not documented yet, unchecked.
            timeout: seconds to wait for the answer, in place of ``request_timeout``.

        Raises:
            TypeError, ValueError: naming the field; nothing was sent.
            VenueError, RateLimited, AuthError, OutcomeUnknown, ConnectError, ClientClosed: see the class.

        Source: order/create-order.
        """
        return self._order(CREATE, fields, extra, timeout)

    @spelled_out(AmendedOrder)
    def amend_order(self, *, extra: Extra = None, timeout: Optional[float] = None, **fields: Unpack[AmendedOrder]) -> OrderResult:
        """Change an open order (``order.amend``): ``qty``, ``price``, ``triggerPrice``, ``takeProfit`` ...

        Give ``orderId`` or ``orderLinkId`` (with both the venue goes by ``orderId``), and what is to change: ``takeProfit``
        and ``stopLoss`` are removed by 0. Asking for the same values again is harmless. Raises what ``place_order`` raises.

        Source: order/amend-order.
        """
        return self._order(AMEND, fields, extra, timeout)

    @spelled_out(CancelledOrder)
    def cancel_order(
        self, *, extra: Extra = None, timeout: Optional[float] = None, **fields: Unpack[CancelledOrder]
    ) -> OrderResult:
        """Cancel an open order (``order.cancel``). The result says that the venue will: the ``order`` channel reports when
        it has, or that a fill was quicker.

        Give ``orderId`` or ``orderLinkId``; with both the venue goes by ``orderId``. Conditional orders on spot need the
        ``orderFilter`` that they were placed with. A retry is safe: an order that is gone is refused (110001). Raises what
        ``place_order`` raises.

        Source: order/cancel-order.
        """
        return self._order(CANCEL, fields, extra, timeout)

    # -- batches -------------------------------------------------------------------------------------

    def place_batch_order(
        self, category: Category, request: Sequence[Mapping[str, Any]], *, timeout: Optional[float] = None
    ) -> BatchResult:
        """Place up to 20 orders (spot: 10) in one request (``order.create-batch``).

        **The venue accepts a batch even if all its orders failed.** Look at the result: ``result.failed``, ``if not
        result:``, or ``result.raise_for_failures()``.

        Args:
            category: of all the orders.
            request: one dict for each order, with the fields of ``place_order`` (``extra``, too) except ``category``,
                ``rpiTakerAccess``, ``slippageTolerance...`` and ``bbo...``. They are checked like single orders, and not
                changed.
            timeout: seconds to wait for the answer, in place of ``request_timeout``.

        Raises:
            TypeError, ValueError: naming the field, as in ``request[2].qty``; nothing was sent.
            OutcomeUnknown: with all the orders' ids in ``order_link_ids``; ``order_link_id`` is set for a batch of one.
            VenueError, RateLimited, AuthError, ConnectError, ClientClosed: see the class; none of the orders was made.

        Source: order/batch-place, websocket/trade/guideline.
        """
        return self._batch(CREATE_BATCH, category, request, timeout)

    def amend_batch_order(
        self, category: Category, request: Sequence[Mapping[str, Any]], *, timeout: Optional[float] = None
    ) -> BatchResult:
        """Change up to 20 orders (spot: 10) in one request (``order.amend-batch``). Each dict has ``symbol``, ``orderId``
        or ``orderLinkId``, and what is to change. Otherwise like ``place_batch_order``.

        Source: order/batch-amend.
        """
        return self._batch(AMEND_BATCH, category, request, timeout)

    def cancel_batch_order(
        self, category: Category, request: Sequence[Mapping[str, Any]], *, timeout: Optional[float] = None
    ) -> BatchResult:
        """Cancel up to 20 orders (spot: 10) in one request (``order.cancel-batch``). Each dict has ``symbol``, and
        ``orderId`` or ``orderLinkId``, and no ``orderFilter``. Otherwise like ``place_batch_order``; a retry is safe.

        Source: order/batch-cancel.
        """
        return self._batch(CANCEL_BATCH, category, request, timeout)

    # -- what became of it ---------------------------------------------------------------------------

    def resolve(
        self,
        unknown: Union[OutcomeUnknown, str],
        *,
        category: Optional[Category] = None,
        symbol: Optional[str] = None,
        timeout: float = 15.0,
    ) -> Any:
        """Find out over REST what became of a request whose answer did not come. Asks, and never sends it again.

        ``"not_executed"`` is certain: the venue's clock has passed the request's time and ``recv_window`` (after which it is
        refused) by 3 s, and after that neither ``order/realtime`` nor ``execution/list`` nor ``order/history`` knew the order. It
        would be wrong only if the venue showed an order later than that, or if somebody else changed an order that is to be
        amended or cancelled. With the venue's default window of 5 s that takes some 8 s from the request on. An order that is
        found, that has ended (for amendments and cancellations), and an answer that comes late, settle it at once.

        Works while the connection is down, and after ``close``. May be called from any thread but the reader's; in a callback it
        holds up the others. A retry is safe.

        Args:
            unknown: the exception, its ``request_id``, or an ``order_link_id``: then the newest request of this client that
                named it. Of an id that this client has not sent (after a restart) it is asked whether there is such an order;
                the request must then be less than 24 hours old, and ``recv_window`` the one that it was sent with.
            category, symbol: for an id that this client has not sent, ``category`` is needed; otherwise neither is used.
            timeout: seconds.

        Returns:
            A ``Resolution``; for a batch a tuple of them, one for each order. Its ``order`` is a ``bybit.Order``. An order that
            was taken may be rejected or cancelled since: look at ``order_status``. An amendment or cancellation counts as
            executed if the order is as it was to be. Trouble with REST gives ``"unknown"``, and the ``reason``.

        Raises:
            TypeError, ValueError: naming the argument, before any I/O.
            WrongThreadError: called on the reader thread. ConnectError: called on a client that replays a recording.

        Source: order/open-order, order/order-list, order/execution, guide.
        """
        seconds = check_seconds("timeout", timeout, zero=True)
        if category is not None:
            check_choice("category", category, CATEGORIES)
        if symbol is not None:
            check_word("symbol", symbol)
        if not isinstance(unknown, (OutcomeUnknown, str)):
            raise TypeError(f"unknown must be an OutcomeUnknown, a request_id or an order_link_id, not {type(unknown).__name__}")
        if self._rest is None:
            raise ValueError("rest_url is needed: this client's url is not the venue's own, and says nothing of its REST side")
        sent, places, single = self._find_sent(unknown)
        if sent is not None:
            questions = questions_of(sent, self._recv_window)
            questions = tuple(questions[place] for place in places)
        else:
            ids = (unknown,) if isinstance(unknown, str) else unknown.order_link_ids or (unknown.order_link_id,)
            if ids == (None,):
                raise ValueError("unknown: this client has not sent that request, and it names no order: give an order_link_id")
            if category is None:
                raise ValueError("category is needed: this client has not sent that request")
            questions = tuple(
                Question(kind="create", category=category, symbol=symbol or "", order_link_id=check_word("unknown", link_id))
                for link_id in ids
            )
            single = len(ids) == 1
        self._guard_blocking("resolve")
        if not self._connector.live:
            raise ConnectError("a replay answers no requests; nothing was sent")
        found = Resolver(self._rest, questions, self._recv_window, seconds).run(sent, places)
        return found[0] if single else found

    def _find_sent(self, unknown: Union[OutcomeUnknown, str]) -> Tuple[Optional[SentRequest], Sequence[int], bool]:
        """Return the request that is meant, the places of its orders that are, and whether it is a single order."""
        sent = self._protocol.sent.by_key(unknown.request_id if isinstance(unknown, OutcomeUnknown) else unknown)
        if sent is not None:
            return sent, range(len(orders_of(sent))), not is_batch(sent)
        found = by_link_id(self._protocol.sent, unknown) if isinstance(unknown, str) else None
        return (found[0], (found[1],), True) if found is not None else (None, (), False)

    # -- requests ------------------------------------------------------------------------------------

    def call(self, method: str, params: Any = None, *, timeout: Optional[float] = None) -> Any:
        """Send the operation ``method`` (``"order.create"`` ...) with ``params``, the one object of the venue's ``args``,
        as it is: numbers must be texts already. Returns the reply's ``data`` (see the class for batches).

        Raises what ``place_order`` raises; ``OutcomeUnknown.order_link_id`` is set if ``params`` has an ``orderLinkId``.
        """
        return self._ask(lambda: self._request(method, params), timeout)

    def _order(self, operation: Operation, fields: Mapping[str, Any], extra: Extra, timeout: Optional[float]) -> OrderResult:
        order = _checked(operation, fields, extra)
        result: OrderResult = self._ask(
            lambda: self._protocol.typed_request(operation.name, order, lambda document: read_order(document, order)),
            timeout,
        )
        return result

    def _batch(self, operation: Operation, category: Any, request: Any, timeout: Optional[float]) -> BatchResult:
        orders = _orders(operation, check_choice("category", category, get_args(Category)), request)
        result: BatchResult = self._ask(
            lambda: self._protocol.typed_request(
                operation.name,
                {"category": category, "request": orders},
                lambda document: read_batch(document, category, orders),
            ),
            timeout,
        )
        if not result.ok:
            ClientLog(__name__, self.venue, self.name).warning("%s: %s", operation.name, failures(result))
        return result

    def _ask(self, make: Callable[[], Request], timeout: Optional[float]) -> Any:
        seconds = self._options.request_timeout if timeout is None else check_seconds("timeout", timeout, zero=True)
        deadline = time.monotonic() + seconds
        request = make()
        if self.state is not State.READY:
            # A request contains the time at which it was made, and the login may find out that our clock is wrong.
            self.open(seconds)
            request = make()
        return self._send(request, max(deadline - time.monotonic(), 0.0))


def _checked(operation: Operation, given: Mapping[str, Any], extra: Extra, where: str = "", category: str = "") -> Dict[str, Any]:
    """Check an order's fields, and add an id to a new one that has none: an outcome must have a name, and options need it."""
    order = checked_order(operation, given, extra, where, category)
    if operation.fields is NewOrder:
        order.setdefault("orderLinkId", f"dbx-{uuid.uuid4().hex}")
    return order


def _orders(operation: Operation, category: str, request: Any) -> List[Dict[str, Any]]:
    if not isinstance(request, (list, tuple)):
        raise TypeError(f"request must be a list of dicts, not {type(request).__name__}")
    limit = SPOT_BATCH_ORDERS if category == "spot" else BATCH_ORDERS
    if not request:
        raise ValueError("request must contain an order")
    if len(request) > limit:
        raise ValueError(f"request must contain at most {limit} orders, not {len(request)} (category {category!r})")
    orders = []
    for index, order in enumerate(request):
        if not isinstance(order, Mapping):
            raise TypeError(f"request[{index}] must be a dict, not {type(order).__name__}")
        fields = {name: value for name, value in order.items() if name != "extra"}
        orders.append(_checked(operation, fields, order.get("extra"), f"request[{index}].", category))
    return orders
