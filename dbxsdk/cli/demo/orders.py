"""Bybit's two sockets of an account: orders placed on one, and what becomes of them told on the other."""

from __future__ import annotations

import itertools
import threading
import time
from decimal import Decimal
from typing import Any, Callable, Dict, List, Sequence, Tuple

import attrs

from dbxsdk.cli.demo import audit
from dbxsdk.cli.demo.audit import TradeAudit
from dbxsdk.cli.demo.link import Link
from dbxsdk.cli.demo.outcomes import Outcomes
from dbxsdk.cli.demo.report import Losses, Standing
from dbxsdk.models import Update
from dbxsdk.sim import BybitVenue

CATEGORY, SYMBOL = "linear", "ETHUSDT"
"""Not the symbol whose book is compared: an order changes the book at once, and the public feeds tell it later."""

SIZE = Decimal("0.5")


class TradeLink(Link):
    """Order entry: places one small order after the other, bought and sold by turns, and waits for each answer."""

    def __init__(self, venue: BybitVenue) -> None:
        super().__init__(venue, "bybit trade", SYMBOL)
        self._bybit = venue
        self._numbers = itertools.count(1)
        self.outcomes = Outcomes(self._known, self.tell)

    def make_client(self) -> Tuple[Any, str]:
        return self._bybit.client("trade"), self._bybit.url("/v5/trade")

    @property
    def requests(self) -> Sequence[Callable[[Any], Any]]:
        return (lambda client: self.outcomes.place(lambda: self._place(client)),)

    def _place(self, client: Any) -> str:
        number = next(self._numbers)
        result = client.place_order(
            category=CATEGORY,
            symbol=SYMBOL,
            side="Buy" if number % 2 else "Sell",
            orderType="Market",
            qty=SIZE,
            orderLinkId=f"demo-{number}",
        )
        return str(result.order_link_id)

    def _known(self) -> List[Tuple[str, str]]:
        return [(order.link_id, order.status) for order in self._bybit.orders()]

    def settle(self) -> None:
        self.outcomes.ask()

    def own_losses(self) -> Losses:
        return Losses(orders=self.outcomes.disagreements())

    def own_standing(self, standing: Standing) -> Standing:
        return attrs.evolve(standing, orders=self.outcomes.placed, accepted=self.outcomes.accepted)


class PrivateLink(Link):
    """The account's stream: every fill that the venue made, and every order's last state, has to come."""

    def __init__(self, venue: BybitVenue) -> None:
        super().__init__(venue, "bybit private", SYMBOL, ("order", "execution"))
        self._bybit = venue
        self.fills = TradeAudit()
        self._fill_count = 0
        # Guards both below, and wakes who waits for an order's last state.
        self._moved = threading.Condition()
        self._statuses: Dict[str, str] = {}
        self._told_since_ms = 0
        self._missing = 0

    def make_client(self) -> Tuple[Any, str]:
        return self._bybit.client("private"), self._bybit.url("/v5/private")

    def make_subscriptions(self) -> None:
        self.client.subscribe("execution", callback=self._on_executions)
        self.client.subscribe("order", callback=self._on_orders)
        self.fills.subscribed(self._recorded())

    # -- on the callbacks thread ---------------------------------------------------------------------

    def _on_executions(self, update: Update[Any]) -> None:
        self._fill_count += len(update.data)
        numbers = {execution.id: number for number, execution in enumerate(self._bybit.executions(), 1)}
        self.fills.received(numbers[execution.exec_id] for execution in update.data if execution.exec_id in numbers)
        self.flows(update.channel)

    def _on_orders(self, update: Update[Any]) -> None:
        with self._moved:
            self._statuses.update((order.order_id, order.order_status) for order in update.data)
            self._moved.notify_all()
        self.flows(update.channel)

    def lost(self) -> None:
        self.fills.disconnected()

    def gap(self) -> None:
        self.fills.gap()
        with self._moved:
            # Orders of the gap are not told afterwards: a program asks for them over REST.
            self._told_since_ms = int(time.time() * 1000)

    # -- on the main thread --------------------------------------------------------------------------

    def _recorded(self) -> List[int]:
        return list(range(1, len(self._bybit.executions()) + 1))

    def compare(self) -> None:
        self.fills.compare(self._recorded())

    def settle(self) -> None:
        lost = self.fills.settle()
        with self._moved:
            self._moved.wait_for(lambda: not self._untold(), audit.PATIENCE)
            self._missing = lost + self._untold()

    def _untold(self) -> int:
        """Orders whose last state did not come."""
        since = self._told_since_ms
        return sum(
            self._statuses.get(order.id) != order.status for order in self._bybit.orders() if order.created_ms > since
        )

    def own_losses(self) -> Losses:
        return Losses(fills=self._missing)

    def own_standing(self, standing: Standing) -> Standing:
        return attrs.evolve(standing, fills=self._fill_count)
