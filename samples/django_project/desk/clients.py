"""This process's client of DBot: made when somebody first wants it.

Not by the import and not in ``AppConfig.ready``: both happen in every worker, in the two processes of ``runserver`` and in
each ``manage.py`` command. Here the process that serves a request makes the client for it, and keeps it. ``runserver``'s
parent, which only watches files, never does; a child that is replaced takes its connection along.
"""

from __future__ import annotations

import threading
from typing import Any, Dict, Optional, Tuple

from django.conf import settings

from dbxsdk import DBotTradeClient, Options

_lock = threading.Lock()  # guards the making of what follows: two requests may come first at once
_made: Optional[Tuple[DBotTradeClient, str]] = None


def task() -> Optional[str]:
    """The id of the copy trading task, to be shown; None where none is set. Opens nothing."""
    if not settings.DESK.live:
        return "local"
    return settings.DESK.task_id if settings.DESK.task_key and settings.DESK.task_id else None


def trading() -> Tuple[DBotTradeClient, str]:
    """The client, which connects at its first request, and the task's id. Any number of threads may use it at once."""
    global _made
    with _lock:
        if _made is None:
            desk = settings.DESK
            task_id, where = desk.task_id, {"api_key": desk.task_key, "url": desk.task_url, "rest_url": desk.rest_url}
            if not desk.live:
                task_id, where = _local()
            limit = desk.request_timeout
            # Somebody is waiting for the page: try again sooner than a program on its own would.
            options = Options(connect_timeout=limit, request_timeout=limit, backoff_initial=0.5, backoff_max=5)
            _made = DBotTradeClient(**where, options=options), task_id
        return _made


def _local() -> Tuple[str, Dict[str, Any]]:
    """A task, and the key and the addresses of a local venue, which lives as long as this process."""
    from dbxsdk.sim import DBotVenue  # here: with the real venue the extra "sim" is not needed

    venue = DBotVenue(rate=1)
    venue.start()
    where = {"api_key": venue.api_key, "url": venue.url(), "rest_url": venue.rest_url()}
    return venue.add_follow_order(enabled=False), where
