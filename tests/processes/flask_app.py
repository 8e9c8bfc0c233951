"""A Flask application whose views use one client."""

from __future__ import annotations

import os
from typing import Any, Dict

import flask

from tests.processes import feed

app = flask.Flask(__name__)


@app.get("/pid")
def pid() -> Dict[str, Any]:
    return {"pid": os.getpid()}


@app.get("/live")
def live() -> Dict[str, Any]:
    return feed.live() if os.environ["SUBSCRIBE"] == "import" else feed.lazily()
