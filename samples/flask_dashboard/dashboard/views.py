"""The addresses: the page, its stream of states, the button, the health check."""

from __future__ import annotations

from typing import Iterator, Tuple

import attrs
from flask import Blueprint, Response, abort, current_app, jsonify, render_template, request
from flask_limiter import Limiter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from dashboard.desk import Desk
from dashboard.task import Task

pages = Blueprint("pages", __name__)

KEEP_ALIVE = 1.0
"""Seconds after which a silent stream sends something, to notice that the browser has gone."""

MARK = "X-Dashboard"
"""The header that a request which changes something must have. A page of another site can send a form here, but no
header of its own unless this server allows it, and it allows nobody: no cookie and no token is needed."""

OFTEN = "5 per second; 60 per minute"
"""How often the venue is asked, whoever asks: the key is one. More are told to wait (429), and nothing is sent."""

# Where requests are counted is in the settings. A server that is away must not close the way to the venue: then here.
limiter = Limiter(key_func=lambda: "everybody", in_memory_fallback=[OFTEN])


def desk() -> Desk:
    found: Desk = current_app.extensions["dashboard"]
    return found


@pages.get("/")
def index() -> Response:
    settings = desk().settings
    page = Response(render_template("index.html", settings=settings, task=desk().task))
    page.headers["Cache-Control"] = "no-store"
    return page


@pages.get("/events")
def events() -> Response:
    """Server-sent events: the page's state, at once and then when it changes."""
    here = desk()
    states = here.feed.states
    if not here.seats.acquire(blocking=False):
        abort(503, "too many pages are open")

    def stream() -> Iterator[str]:
        yield "retry: 500\n\n"  # ms until the browser comes back by itself
        version = 0
        while here.is_serving():
            version, state = states.after(version, KEEP_ALIVE)
            yield f"data: {state}\n\n" if state is not None else ": nothing new\n\n"

    response = Response(stream(), mimetype="text/event-stream")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"  # nginx in front would collect what must go out at once
    # Not in the generator: one that nobody has begun to read never reaches its own "finally".
    response.call_on_close(here.seats.release)
    return response


@pages.get("/task")
def task_state() -> Tuple[Response, int]:
    with limiter.limit(OFTEN):
        return _answer(_task().look())


@pages.post("/task")
def switch_task() -> Tuple[Response, int]:
    if MARK not in request.headers:
        abort(403, f"the header {MARK} is missing")
    try:
        wish = request.get_json()  # 415 where it is no JSON
    except RecursionError:
        abort(400, "it is nested too deeply")
    enabled = wish.get("enabled") if isinstance(wish, dict) else None
    if not isinstance(enabled, bool):
        abort(400, "enabled must be true or false")
    # Not before: what another site's page can send must not use it up.
    with limiter.limit(OFTEN):
        return _answer(_task().switch(enabled))


@pages.get("/health")
def health() -> Tuple[Response, int]:
    """200 while prices are live and fresh, 503 otherwise."""
    feed = desk().feed
    status = feed.status()
    document = {**attrs.asdict(status), "state": feed.client.state.value, "stats": attrs.asdict(feed.client.stats())}
    response = jsonify(document)
    response.headers["Cache-Control"] = "no-store"
    return response, 200 if status.word == "live" else 503


@pages.get("/metrics")
def metrics() -> Response:
    """What Prometheus scrapes. It opens no connection: before the first page there is nothing to count."""
    return Response(generate_latest(desk().registry), content_type=CONTENT_TYPE_LATEST)


def _task() -> Task:
    task = desk().task
    if task is None:
        abort(404, "no task is set: see DBOT_API_KEY and DBOT_FOLLOW_ORDER")
    return task


def _answer(outcome: "attrs.AttrsInstance") -> Tuple[Response, int]:
    document = attrs.asdict(outcome)
    return jsonify(document), document.pop("status")
