"""The part of ``BybitVenue`` that has an account: the private and the trade socket, and what tests use of them."""

from __future__ import annotations

import random
import time
from decimal import Decimal
from typing import Any, Dict, List, Mapping, Optional, Tuple, Union

import attrs

from dbxsdk.arguments import check_choice, check_int
from dbxsdk.sim.bybit.access import Gate, active_seconds
from dbxsdk.sim.bybit.account import ZERO, Account, Number, Position
from dbxsdk.sim.bybit.order import Changes, Execution, Order
from dbxsdk.sim.bybit.private_socket import PrivateSession, by_topic, envelope, frame_id
from dbxsdk.sim.bybit.rows import execution_row, fast_execution_row, greeks_rows, order_row, position_row, wallet_row
from dbxsdk.sim.bybit.stops import StopDesk
from dbxsdk.sim.bybit.trade_socket import CATEGORIES, Fault, TradeService, TradeSession, is_order
from dbxsdk.sim.connection import Connection
from dbxsdk.sim.market.market import Market, Trade
from dbxsdk.sim.refused import Refused
from dbxsdk.sim.venue import Venue

PRIVATE = "/v5/private"
TRADE = "/v5/trade"

_CONNECTION_ID = "abcdefghijklmnopqrstuvwxyz0123456789"


class TradingVenue(Venue):
    """The private and the trade socket over the markets that a subclass gives to ``_trade_in``."""

    def __init__(
        self,
        *,
        balances: Optional[Mapping[str, Number]] = None,
        auth_horizon: Optional[float] = None,
        active_time_scale: float = 1.0,
        unique_link_ids: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._unique_link_ids = unique_link_ids
        if active_time_scale <= 0 or (auth_horizon is not None and auth_horizon <= 0):
            raise ValueError("active_time_scale and auth_horizon must be above 0")
        self._account = Account(balances)
        self._active_time_scale = active_time_scale
        self._skew = self._drift = self._skewed_at = 0.0
        self._gate = Gate(self.api_key, self.api_secret, self._server_ms, auth_horizon)
        self._connection_ids = random.Random(f"{self._seed}:connection ids")
        self._uid = 100_000_000 + random.Random(f"{self._seed}:uid").randrange(900_000_000)
        self._frames = 0
        self._drop_next: Optional[bool] = None
        self._shuffled: Optional[random.Random] = None
        self._shuffled_within = 0.0
        self._held: Optional[List[Tuple[Connection, Any]]] = None

    def _trade_in(self, markets: Mapping[str, Market]) -> None:
        self._markets = markets
        clocks = self._now_us, self._order_ms
        self._desk = StopDesk(markets, self._account, self._seed, *clocks, unique_link_ids=self._unique_link_ids)
        self._service = TradeService(self._desk, self._gate, self._server_ms, self._seed)

    # -- the truth, for tests ------------------------------------------------------------------------------------------

    def orders(self) -> List[Order]:
        """Return every order of the account as it is now, oldest first."""
        with self._lock:
            return [attrs.evolve(order) for order in self._desk.orders.values()]

    def executions(self) -> List[Execution]:
        """Return every fill of the account's orders, oldest first."""
        with self._lock:
            return list(self._desk.executions)

    def positions(self) -> List[Position]:
        """Return the positions that are not flat."""
        with self._lock:
            return [attrs.evolve(position) for position in self._account.positions.values() if position.size]

    def balances(self) -> Dict[str, Dict[str, Decimal]]:
        """Return the account's coins: ``{coin: {"total": ..., "locked": ..., "margin": ..., "available": ...}}``.

        ``total`` is the pushes' ``walletBalance``; ``locked`` is held by spot orders, ``margin`` by contracts and the
        orders for them, and ``available`` is what is left.
        """
        with self._lock:
            account = self._account
            return {
                coin: {
                    "total": total,
                    "locked": account.locked(coin),
                    "margin": account.order_margin(coin) + account.position_margin(coin),
                    "available": account.available(coin),
                }
                for coin, total in account.balances.items()
            }

    # -- the account and the market, moved without a socket ------------------------------------------------------------

    def place_order(self, category: str = "linear", **fields: Any) -> Order:
        """Place an order of the account as ``order.create`` would, e.g. from the venue's app. The fields are the
        venue's (``symbol``, ``side``, ``orderType``, ``qty``, ``price``, ...), numbers as texts.

        Raises ``ValueError`` with the venue's code and text if it refuses.
        """
        return self._by_hand("order.create", category, fields)

    def amend_order(self, category: str = "linear", **fields: Any) -> Order:
        """Amend an order as ``order.amend`` would."""
        return self._by_hand("order.amend", category, fields)

    def cancel_order(self, category: str = "linear", **fields: Any) -> Order:
        """Cancel an order as ``order.cancel`` would."""
        return self._by_hand("order.cancel", category, fields)

    def hedge_mode(self, symbol: str, on: bool = True) -> None:
        """Put a USDT perpetual into hedge mode, or back into one-way mode, as the account's owner would over REST.

        Raises ``ValueError`` with the venue's code and text if it refuses.
        """
        with self._lock:
            try:
                self._desk.set_mode(symbol, on)
            except Refused as refused:
                raise ValueError(f"{refused.code}: {refused.message}") from None

    def _by_hand(self, operation: str, category: str, fields: Dict[str, Any]) -> Order:
        check_choice("category", category, CATEGORIES)
        with self._lock:
            if category == "option" and operation == "order.create":  # which the venue's app does by itself
                fields.setdefault("orderLinkId", f"app-{len(self._desk.orders) + 1}")
            try:
                order = self._desk.carry_out(operation, category, fields)
            except Refused as refused:
                raise ValueError(f"{refused.code}: {refused.message}") from None
            self._push_changes()
            self._changed()
            return attrs.evolve(order)

    def market_order(self, symbol: str, side: str, size: Union[Decimal, int, str], category: str = "linear") -> List[Trade]:
        """Carry out another trader's market order: it takes from the book, and fills the account's orders that it reaches.

        Return its trades. The public feeds report them with the market's next step.
        """
        check_choice("category", category, CATEGORIES)
        check_choice("side", side, ("Buy", "Sell"))
        with self._lock:
            trades = self._desk.trade(category, symbol, side == "Buy", Decimal(size))
            self._push_changes()
            self._changed()
            return trades

    # -- misbehaviour on request ---------------------------------------------------------------------------------------

    def clock_skew(self, seconds: float, drift: float = 0.0) -> None:
        """Put the clock that the venue shows, and by which it judges timestamps, so far ahead (below 0: back) of this
        machine's. From then on it gains ``drift`` seconds in each second (below 0: it loses them).

        This is for trying clients whose machine has a wrong clock. The times in pushes stay as they are.
        """
        if drift <= -1:
            raise ValueError(f"drift must be above -1, or time would stand still, not {drift}")
        with self._lock:
            self._skew = seconds
            self._drift = drift
            self._skewed_at = time.monotonic()

    def fail_next(
        self, code: int, message: str = "", *, with_req_id: bool = True, with_header: bool = True, times: int = 1
    ) -> None:
        """Answer the next ``times`` order requests with this error, and carries nothing out.

        Without ``with_header`` the answer has the gateway's shape: no ``data``, no ``retExtInfo``, no ``header``.
        """
        check_int("times", times, least=1)
        with self._lock:
            self._service.faults.extend([Fault(code, message, with_req_id, with_header)] * times)

    def limit_rate(self, per_second: Optional[int]) -> None:
        """Limit each operation and category to so many orders a second, as the account's rate limit does; None ends it.

        Otherwise the answers' headers show the documented limits, which are not enforced.
        """
        if per_second is not None:
            check_int("per_second", per_second, least=1)
        with self._lock:
            self._service.limits.per_second = per_second

    def shuffle_answers(self, seed: int = 1, within: float = 0.1) -> None:
        """Send each answer to an order request at a random moment of the next ``within`` seconds; 0 ends it.

        So many requests in flight are answered out of their order, each once.
        """
        if within < 0:
            raise ValueError(f"within must be 0 or more seconds, not {within}")
        with self._lock:
            self._shuffled = random.Random(seed) if within else None
            self._shuffled_within = within

    def hold_answers(self) -> None:
        """Hold back the answers to order requests until ``release_answers()``. The orders are carried out."""
        with self._lock:
            if self._held is None:
                self._held = []

    def release_answers(self, seed: Optional[int] = None) -> int:
        """Send what ``hold_answers()`` held back: shuffled by ``seed``, or without one in the order of the requests.

        Return how many answers there were. Later ones are sent at once again.
        """
        with self._lock:
            held, self._held = self._held or [], None
            if seed is not None:
                random.Random(seed).shuffle(held)
            for connection, document in held:
                self._answer(connection, document)
            return len(held)

    def drop_after_next_request(self, executed: bool) -> None:
        """Cut the connection of the next order request instead of answering, once it was carried out (``executed``)
        or without carrying it out."""
        with self._lock:
            self._drop_next = executed

    # -- the sockets ---------------------------------------------------------------------------------------------------

    def _server_ms(self) -> int:
        """Return the time that the venue shows."""
        return int(self._clock() * 1000) + self._shift_ms()

    def _shift_ms(self) -> int:
        """Return how far the shown time is ahead of this machine's."""
        return int((self._skew + self._drift * (time.monotonic() - self._skewed_at)) * 1000)

    def _order_ms(self) -> int:
        """Return the time of orders and fills: it goes on while a market that is moved by hand stands still."""
        return max(self._now_ms(), int(self._clock() * 1000))

    def _opened(self, connection: Connection) -> None:
        draw = self._connection_ids.choice
        connection_id = "".join(draw(_CONNECTION_ID) for _ in range(20)) + "-" + "".join(draw(_CONNECTION_ID) for _ in range(4))
        connection.state["active_seconds"] = active_seconds(connection.query) * self._active_time_scale
        if connection.path == PRIVATE:
            connection.state["session"] = PrivateSession(connection_id, self._gate)
        else:
            connection.state["session"] = TradeSession(connection_id)

    def _patience(self, connection: Connection) -> Optional[float]:
        if "active_seconds" not in connection.state:
            return super()._patience(connection)
        # Frames either way count, so a wait may begin long after the client's last one.
        return max(0.0, float(connection.state["active_seconds"]) - (time.monotonic() - connection.active))

    def _idle(self, connection: Connection) -> bool:
        return bool(time.monotonic() - connection.active >= connection.state["active_seconds"])

    def _request(self, connection: Connection, raw: Union[str, bytes], document: Any) -> None:
        session = connection.state["session"]
        if isinstance(session, PrivateSession):
            self._answer(connection, session.answer(document, connection.topics, self._server_ms()))
            return
        if not is_order(document):
            self._answer(connection, self._service.answer(session, document))
            return
        if self._drop_next is not None:
            executed, self._drop_next = self._drop_next, None
            if executed:
                self._service.answer(session, document)
            connection.cut()
        else:
            self._answer_order(connection, self._service.answer(session, document))
        self._push_changes()

    def _answer_order(self, connection: Connection, document: Any) -> None:
        if self._held is not None:
            self._held.append((connection, document))
        elif self._shuffled is not None:
            due = time.monotonic() + self._delay + self._shuffled.uniform(0, self._shuffled_within)
            connection.put_at(self._encode(document, connection, push=False), due)
        else:
            self._answer(connection, document)

    # -- pushes --------------------------------------------------------------------------------------------------------

    def _advance(self, now_us: int) -> None:
        self._taken()  # of a step that a silent venue did not publish
        self._desk.settle()

    def _publish(self) -> None:
        self._push_changes()

    def _taken(self) -> Changes:
        """Return what changed since the last time."""
        return self._desk.take_changes()

    def _push_changes(self) -> None:
        """Push what changed since the last time to the private sockets."""
        changes = self._taken()
        wanted = {
            topic for connection in self._connections.values() if connection.path == PRIVATE for topic in connection.topics
        }
        if not wanted:
            return
        now_ms = self._server_ms()  # by the clock that it shows, as REST does
        for channel, rows in self._rows(changes):
            for topic, part in by_topic(channel, rows, wanted):
                self._frames += 1
                frame = envelope(topic, part, frame_id(self._uid, channel, part, now_ms, self._frames), now_ms)
                self._push(self._subscribers(topic, PRIVATE), frame)

    def _rows(self, changes: Changes) -> List[Tuple[str, List[Dict[str, Any]]]]:
        positions = changes.positions.values()
        bases = dict.fromkeys(
            execution.order.symbol.partition("-")[0]
            for execution in changes.executions
            if execution.order.category == "option"
        )
        wallet = [wallet_row(self._account, changes.coins, self._price, self._mark)] if changes.coins else []
        return [
            ("execution.fast", [fast_execution_row(execution) for execution in changes.executions]),
            ("execution", [execution_row(execution) for execution in changes.executions]),
            ("order", [order_row(order) for order in changes.orders]),
            ("position", [position_row(position, self._mark(position)) for position in positions]),
            ("wallet", wallet),
            ("greeks", greeks_rows(self._account, bases)),
        ]

    def _mark(self, position: Position) -> Decimal:
        return self._markets[position.category].symbols[position.symbol].ticker().last

    def _price(self, coin: str) -> Decimal:
        """Return the price in dollars; 0 if no market here has one."""
        if coin in ("USDT", "USDC"):
            return Decimal(1)
        for category, symbol in (("spot", coin + "USDT"), ("linear", coin + "USDT"), ("inverse", coin + "USD")):
            market = self._markets[category].symbols.get(symbol)
            if market is not None:
                return market.ticker().last
        return ZERO
