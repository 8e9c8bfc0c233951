"""DBot's trade socket: a copy trading task switched on and off, fast trades, and their results."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Sequence, Tuple

import attrs

from dbxsdk.cli.demo.audit import TradeAudit
from dbxsdk.cli.demo.link import Link
from dbxsdk.cli.demo.outcomes import Outcomes
from dbxsdk.cli.demo.report import Losses, Standing
from dbxsdk.errors import ProtocolError
from dbxsdk.models import Update
from dbxsdk.sim import DBotVenue

OVER = ("done", "fail")


class TaskLink(Link):
    """Requests of several kinds by turns, and the trade results that come of them.

    Results of the fast trades are compared with the venue's own; those of the copied trades are delivered and counted.
    """

    def __init__(self, venue: DBotVenue) -> None:
        super().__init__(venue, "dbot", venue.pairs[0].symbol, ("tradeResults",))
        self._dbot = venue
        self.outcomes = Outcomes(self._known, self.tell)
        self.results = TradeAudit()
        self._result_count = 0
        self._lost_at_end = 0
        self._follow = ""
        self._enabled = False
        self._sure = True

    def make_client(self) -> Tuple[Any, str]:
        return self._dbot.client("trade"), self._dbot.url("/trade/ws/")

    @property
    def requests(self) -> Sequence[Callable[[Any], Any]]:
        return (self._toggle, self._look, lambda client: self.outcomes.place(lambda: self._trade(client)))

    def make_subscriptions(self) -> None:
        self._follow = self._dbot.add_follow_order(enabled=False)
        self.client.subscribe("tradeResults", callback=self._on_result)
        self.results.subscribed(self._recorded())

    # -- requests, on their own thread ---------------------------------------------------------------

    def _toggle(self, client: Any) -> None:
        self._sure = False  # until the answer has come: without one, only the venue knows
        client.update_follow_order(self._follow, not self._enabled)
        self._enabled = not self._enabled
        self._sure = True

    def _look(self, client: Any) -> None:
        """Whether the task is what it was switched to; where there was no answer, what it is."""
        enabled = next(order["enabled"] for order in client.list_follow_orders() if order["id"] == self._follow)
        if self._sure and enabled != self._enabled:
            raise ProtocolError(f"the task was switched {'on' if self._enabled else 'off'}, and is not")
        self._enabled = enabled

    def _trade(self, client: Any) -> str:
        id_: str = client.create_swap_order(
            chain="solana",
            pair=self._dbot.pairs[0].pair,
            wallet_id=self._dbot.wallet_ids[0],
            type="buy",
            amount_or_percent="0.1",
        )["id"]
        return id_

    def _known(self) -> List[Tuple[str, str]]:
        return [(id_, task["state"]) for id_, task in self._dbot.tasks("swap").items()]

    # -- on the callbacks thread ---------------------------------------------------------------------

    def _on_result(self, update: Update[Any]) -> None:
        self._result_count += 1
        number = self._numbers().get(update.data.id.rpartition("_")[0])
        if update.data.source == "swap_order" and number is not None:
            self.results.received([number])
        self.flows(update.channel)

    def lost(self) -> None:
        self.results.disconnected()

    def gap(self) -> None:
        self.results.gap()

    # -- on the main thread --------------------------------------------------------------------------

    def _numbers(self) -> Dict[str, int]:
        # They are carried out in the order in which they were made.
        return {id_: number for number, id_ in enumerate(self._dbot.tasks("swap"), 1)}

    def _recorded(self) -> List[int]:
        return [number for number, (_, state) in enumerate(self._known(), 1) if state in OVER]

    def compare(self) -> None:
        self.results.compare(self._recorded())

    def settle(self) -> None:
        # The last of them may be under way at the venue.
        self._dbot.wait_until(lambda: len(self._recorded()) == len(self._known()))
        self.outcomes.ask()
        self.compare()
        self._lost_at_end = self.results.settle()

    def own_losses(self) -> Losses:
        return Losses(orders=self.outcomes.disagreements(), fills=self._lost_at_end)

    def own_standing(self, standing: Standing) -> Standing:
        return attrs.evolve(
            standing, orders=self.outcomes.placed, accepted=self.outcomes.accepted, fills=self._result_count
        )
