"""How gunicorn serves the dashboard: ``gunicorn`` alone, in this folder, finds this file."""

import os
from typing import Any

wsgi_app = "dashboard:create_app()"
bind = "127.0.0.1:8000"
worker_class = "gthread"
# Without a relay each worker has a connection of its own to the venue, and each page the state of whichever worker it got.
workers = 2 if os.environ.get("DASHBOARD_RELAY") else 1
# Each open page takes one for as long as it is open: DASHBOARD_VIEWERS (12) of them, and some for all else.
threads = 16


def post_worker_init(worker: Any) -> None:
    """Lets streams end when the worker wants to: it waits for its threads, and a stream has no end of its own."""
    worker.wsgi.extensions["dashboard"].is_serving = lambda: worker.alive
