"""The copy trading task: a request that blocks until the venue has answered, and its outcome in plain words."""

from __future__ import annotations

from typing import Any, Optional

import attrs
from django.conf import settings

import dbxsdk
from dbxsdk import DBotTradeClient

from desk import clients
from desk.models import TaskRequest

PAGE = 20

# Without Django's types (it brings none) a type checker takes the members of these for plain tuples.
Action: Any = TaskRequest.Action
Outcome: Any = TaskRequest.Outcome


@attrs.frozen
class Result:
    """Attributes:
    outcome: one of ``TaskRequest.Outcome``.
    status: the HTTP status that goes with it.
    text: what happened.
    retry: whether it may be tried again; empty where there is no need to.
    """

    outcome: str
    status: int
    text: str
    retry: str = ""


def carry_out(action: str, close_pnl_orders: bool) -> Result:
    """Sends the request, once, and never again by itself."""
    client, task = clients.trading()
    try:
        if action == Action.LOOK:
            return _look(client, task)
        enabled = action == Action.ON
        client.update_follow_order(task, enabled, close_pnl_order=close_pnl_orders and not enabled)
    except dbxsdk.OutcomeUnknown as error:
        return explained(error, changes=False) if action == Action.LOOK else _settled(client, error)
    except dbxsdk.DbxError as error:
        return explained(error, changes=action != Action.LOOK)
    return Result(Outcome.DONE, 200, f"The venue confirms it: the task is switched {_word(enabled)}.")


def explained(error: dbxsdk.DbxError, changes: bool) -> Result:
    """What somebody who pressed the button has to know. ``changes``: the request was more than a question.

    The order matters: an exception may be of several kinds, and "unknown" comes first.
    """
    if isinstance(error, dbxsdk.OutcomeUnknown):
        if not changes:
            return Result(Outcome.UNKNOWN, 504, f"The venue did not answer: {error}.", "Yes: it changes nothing.")
        # Switching twice would do no harm. Ordering twice would, and a view for orders begins as a copy of this one.
        text = f"It was sent, but whether it was carried out is not known: {error}."
        return Result(Outcome.UNKNOWN, 504, text, "Not yet: ask for its state first.")
    if isinstance(error, dbxsdk.RateLimited):
        text = f"The venue refused it: {error}. Nothing was changed."
        return Result(Outcome.REFUSED, 429, text, "Yes, but later: the venue wants fewer requests.")
    if isinstance(error, dbxsdk.AuthError):
        text = f"The venue refused the key: {error}. Nothing was changed."
        return Result(Outcome.REFUSED, 409, text, "No, not before the key is put right and the server is started again.")
    if isinstance(error, dbxsdk.VenueError):
        text = f"The venue refused it: {error}. Nothing was changed."
        return Result(Outcome.REFUSED, 409, text, "No: it would be refused again, unless something changes.")
    if isinstance(error, dbxsdk.TransportError):
        return Result(Outcome.NOT_SENT, 503, f"There is no connection, so nothing was sent: {error}.", "Yes.")
    # Only the answer to a mere question may be this: it makes no sense.
    return Result(Outcome.UNKNOWN, 502, f"The answer cannot be read: {error}.", "Yes: it changes nothing.")


def _settled(client: DBotTradeClient, unknown: dbxsdk.OutcomeUnknown) -> Result:
    """Asks the venue, over REST, what became of a request that was not answered."""
    told = explained(unknown, changes=True)
    try:
        found = client.resolve(unknown, timeout=settings.DESK.request_timeout)
    except ValueError as error:  # DESK_TASK_URL without DESK_REST_URL
        return attrs.evolve(told, text=f"{told.text} The venue could not be asked: {error}.")
    if found.outcome == "executed":
        return Result(Outcome.DONE, 200, f"No answer came, but it was carried out. The venue was asked: {found.reason}.")
    if found.outcome == "not_executed":
        text = f"No answer came in time, and it was not carried out: {found.reason}. Nothing was changed."
        return Result(Outcome.REFUSED, 409, text, "No: it would be refused again, unless something changes.")
    return attrs.evolve(told, text=f"{told.text} The venue was asked, and it is still not known: {found.reason}.")


def _look(client: DBotTradeClient, task: str) -> Result:
    enabled = _find(client, task)
    if enabled is None:
        return Result(Outcome.REFUSED, 409, "The venue has no such task.", "No: look at its id first.")
    return Result(Outcome.DONE, 200, f"The venue says: the task is {_word(enabled)}.")


def _find(client: DBotTradeClient, task: str) -> Optional[bool]:
    page = 0
    while True:
        orders = client.list_follow_orders(page=page, size=PAGE)
        for order in orders:
            if order["id"] == task:
                return bool(order["enabled"])
        if len(orders) < PAGE:
            return None
        page += 1


def _word(enabled: bool) -> str:
    return "on" if enabled else "off"
