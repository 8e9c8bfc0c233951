"""The button: a request that blocks until the venue has answered, and its outcome in words."""

from __future__ import annotations

from typing import Optional

import attrs

import dbxsdk
from dbxsdk import DBotTradeClient

PAGE = 20


@attrs.frozen(kw_only=True)
class Outcome:
    """Attributes:
    kind: ``"done"``, ``"refused"``, ``"unknown"`` or ``"not sent"``.
    status: the HTTP status that goes with it.
    text: what happened.
    retry: whether it may be sent again, and when.
    enabled: whether the task is switched on, as far as anybody knows.
    """

    kind: str
    status: int
    text: str
    retry: Optional[str] = None
    enabled: Optional[bool] = None


class Task:
    """One of DBot's copy trading tasks. Any number of threads may use it at once."""

    def __init__(self, client: DBotTradeClient, id: str) -> None:
        self.id = id
        self._client = client

    def switch(self, enabled: bool) -> Outcome:
        """Sends the request, once, and never again by itself."""
        try:
            self._client.update_follow_order(self.id, enabled)
        except dbxsdk.DbxError as error:
            return explained(error)
        return Outcome(kind="done", status=200, text=f"The task is switched {_word(enabled)}.", enabled=enabled)

    def look(self) -> Outcome:
        """Asks the venue for the task's state. It changes nothing, so it may be done as often as one likes."""
        try:
            enabled = self._find()
        except dbxsdk.OutcomeUnknown as error:
            # What was only a question needs no caution.
            return attrs.evolve(explained(error), text=f"The venue did not answer: {error}.", retry="Yes: it changes nothing.")
        except dbxsdk.DbxError as error:
            return explained(error)
        if enabled is None:
            return Outcome(kind="refused", status=409, text="The venue has no such task.", retry="No: look at its id first.")
        return Outcome(kind="done", status=200, text=f"The venue says: it is {_word(enabled)}.", enabled=enabled)

    def _find(self) -> Optional[bool]:
        page = 0
        while True:
            orders = self._client.list_follow_orders(page=page, size=PAGE)
            for order in orders:
                if order["id"] == self.id:
                    return bool(order["enabled"])
            if len(orders) < PAGE:
                return None
            page += 1


def explained(error: dbxsdk.DbxError) -> Outcome:
    """What somebody who pressed the button has to know. The order matters: an exception may be of several kinds."""
    if isinstance(error, dbxsdk.OutcomeUnknown):
        return Outcome(
            kind="unknown",
            status=504,
            text=f"It was sent, but whether it was carried out is not known: {error}.",
            # Switching twice would do no harm. Ordering twice would, and a button for orders begins as a copy of this one.
            retry="Not yet: ask for its state first.",
        )
    if isinstance(error, dbxsdk.RateLimited):
        retry = "Yes, but later: the venue wants fewer requests."
        return Outcome(kind="refused", status=429, text=f"The venue refused it: {error}. Nothing was changed.", retry=retry)
    if isinstance(error, dbxsdk.AuthError):
        retry = "No, not before the key is put right and this program is started again."
        return Outcome(kind="refused", status=409, text=f"The venue refused the key: {error}.", retry=retry)
    if isinstance(error, dbxsdk.VenueError):
        retry = "No: it would be refused again, unless something changes."
        return Outcome(kind="refused", status=409, text=f"The venue refused it: {error}. Nothing was changed.", retry=retry)
    if isinstance(error, dbxsdk.TransportError):
        return Outcome(
            kind="not sent", status=503, text=f"There is no connection, so nothing was sent. ({error})", retry="Yes."
        )
    # An answer to a mere question that makes no sense.
    return Outcome(kind="refused", status=502, text=f"The answer cannot be read: {error}.", retry="Yes: it changes nothing.")


def _word(enabled: bool) -> str:
    return "on" if enabled else "off"
