"""The Flask application: ``create_app`` makes it. Neither that nor the import opens a connection."""

from __future__ import annotations

from typing import Optional

from flask import Flask, Response

from dashboard.desk import Desk
from dashboard.settings import Settings
from dashboard.views import limiter, pages

# Everything comes from here, nothing is inline, and no other site may put the page into a frame.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def create_app(settings: Optional[Settings] = None) -> Flask:
    """``settings`` are those of the environment unless given.

    Raises ``ValueError`` where a variable of the environment cannot be, naming it.
    """
    settings = settings or Settings.from_environment()
    app = Flask(__name__)
    # A foreign page may give its own name this machine's address and would then pass for this site (DNS rebinding).
    app.config["TRUSTED_HOSTS"] = list(settings.hosts)
    app.config["MAX_CONTENT_LENGTH"] = 1024  # the longest request that it takes has some 20 bytes
    app.config["RATELIMIT_STORAGE_URI"] = settings.counted_at
    app.extensions["dashboard"] = Desk(settings)
    limiter.init_app(app)
    app.register_blueprint(pages)
    app.after_request(_protect)
    return app


def _protect(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response
