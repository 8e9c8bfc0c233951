"""The pages, for staff only: what is stored, the buttons, and what became of a request."""

from __future__ import annotations

import logging
import uuid
from datetime import datetime, timedelta, timezone
from typing import Any

from django.conf import settings
from django.contrib.admin.views.decorators import staff_member_required
from django.contrib.auth.decorators import permission_required
from django.db import DatabaseError, IntegrityError
from django.http import HttpResponseBadRequest
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from desk import clients
from desk.forms import TaskForm
from desk.models import FeedStatus, Gap, TaskRequest, Trade
from desk.task import Action, Outcome, Result, carry_out

logger = logging.getLogger(__name__)

SILENT = timedelta(seconds=10)
"""A feed that has not been seen for so long is not running, or its database is away."""
ASKED = timedelta(seconds=10)
"""The page asks for the task's state when it is opened, unless somebody has asked the venue anything within so long: pages that
are opened often leave room for the buttons among ``DESK_REQUESTS``."""


@require_GET
@never_cache
@staff_member_required
def index(request: Any) -> Any:
    """What is stored, and the buttons."""
    feed, now = FeedStatus.objects.order_by("-seen").first(), datetime.now(timezone.utc)
    requests = TaskRequest.objects.filter(task=clients.task()).select_related("user")
    return render(request, "desk/index.html", {
        "desk": settings.DESK,
        "feed": feed,
        "silent": feed is not None and now - feed.seen > SILENT,
        "trades": Trade.objects.all()[:20],
        "gaps": Gap.objects.exclude(state=Gap.State.FILLED)[:6],
        "task": clients.task(),
        "known": requests.filter(answered__isnull=False).first(),
        "ask": None if requests.filter(sent__gt=now - ASKED).exists() else uuid.uuid4(),
        "requests": TaskRequest.objects.exclude(action=Action.LOOK).select_related("user")[:8],
        "id": uuid.uuid4(),
    })


@require_POST
@staff_member_required
@permission_required("desk.add_taskrequest", raise_exception=True)
def send(request: Any) -> Any:
    """Sends one request to DBot and waits for its outcome. It is written down first, and committed (``ATOMIC_REQUESTS`` is
    off): whatever becomes of this worker, there is a row that tells of it."""
    form = TaskForm(request.POST)
    if not form.is_valid() or clients.task() is None:
        return HttpResponseBadRequest("this is no request that can be sent")
    wish = form.cleaned_data
    closes = wish["close_pnl_orders"] and wish["action"] == Action.OFF
    row = TaskRequest(id=wish["id"], user=request.user, task=clients.task(), action=wish["action"], close_pnl_orders=closes)
    try:
        # Those of all users and workers, since the venue's limit is one. A few at the same moment may be one too many.
        recent = TaskRequest.objects.filter(sent__gt=datetime.now(timezone.utc) - timedelta(minutes=1))
        if recent.count() >= settings.DESK.requests and not TaskRequest.objects.filter(id=row.id).exists():
            text = "There were too many requests in the last minute, so it was not sent."
            result = Result(Outcome.NOT_SENT, 429, text, "Yes, but later.")
            return _shown(request, row, result, result.status)
        row.save(force_insert=True)
    except IntegrityError:
        return redirect("desk:request", id=row.id)  # a second click, or a page sent again: it is not sent again
    except DatabaseError as error:
        logger.error("a request was not sent, as it could not be recorded: %s", error)
        result = Result(Outcome.NOT_SENT, 503, "It could not be recorded, so nothing was sent.", "Yes.")
        return _shown(request, row, result, result.status)
    result = carry_out(row.action, closes)
    row.outcome, row.text, row.retry, row.answered = result.outcome, result.text, result.retry, datetime.now(timezone.utc)
    try:
        row.save()
    except DatabaseError as error:
        logger.error("the outcome of request %s could not be recorded: %s: %s", row.id, result.outcome, error)
        text = f"{result.text} This could not be recorded: the list will say that its outcome is unknown."
        return _shown(request, row, Result(result.outcome, result.status, text, result.retry), result.status)
    if result.status == 200:
        return redirect("desk:request", id=row.id)
    # Here, so that programs get the status, too. Whoever reloads it sends the same id, and so nothing.
    return _shown(request, row, result, result.status)


@require_GET
@never_cache
@staff_member_required
def request_page(request: Any, id: uuid.UUID) -> Any:
    """What became of a request."""
    row = get_object_or_404(TaskRequest, id=id)
    return _shown(request, row, row, 200)


def _shown(request: Any, row: TaskRequest, outcome: Any, status: int) -> Any:
    context = {
        "row": row,
        "recorded": not row._state.adding,
        "outcome": outcome,
        "label": Outcome(outcome.outcome).label,
        "id": uuid.uuid4(),
    }
    return render(request, "desk/request.html", context, status=status)
