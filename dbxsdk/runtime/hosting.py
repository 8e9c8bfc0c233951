"""What hosts a client's threads: uWSGI, where it is started so that they cannot do their work, and gevent."""

from __future__ import annotations

import os
import sys
from typing import Any, Optional

from dbxsdk.runtime.log import SafeLogger

logger = SafeLogger(__name__)

_told = False


def warn_where_threads_cannot_run() -> None:
    """Before threads are started. Says nothing where the server's options are not known for certain."""
    global _told
    if not _told:
        problem = _problem(sys.modules.get("uwsgi"))
        if problem is not None:
            _told = True
            logger.warning("%s: start it with --lazy-apps --enable-threads", problem)


def threads_survive_forks() -> bool:
    """True if threads are greenlets, which are in a forked child as they were in its parent, locks and all."""
    monkey: Any = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("threading"))


def _problem(uwsgi: Any) -> Optional[str]:
    # A module of that name need not be the server's, nor be whole.
    options = getattr(uwsgi, "opt", None)
    if not isinstance(options, dict):
        return None
    by_name = {_text(name): _text(value) for name, value in options.items()}
    threads = by_name.get("threads", "")
    # Since 2.0.27 threads are enabled whatever the options say; ``has_threads`` tells the outcome.
    enabled = getattr(uwsgi, "has_threads", 0) or _is_set(by_name.get("enable-threads"))
    if not enabled and not (threads.isdigit() and int(threads) > 1):
        return "uWSGI runs without threads, so a client's connection stands still between requests"
    # uWSGI forks whatever a thread is doing. Where that is to run Python, the worker waits for its interpreter for ever,
    # and no code of ours is reached that could help.
    masterpid = getattr(uwsgi, "masterpid", None)
    if callable(masterpid) and masterpid() == os.getpid() and not _is_set(by_name.get("py-call-uwsgi-fork-hooks")):
        return "a client is used in uWSGI's master process, and workers that are forked from it may hang"
    return None


def _is_set(value: Optional[str]) -> bool:
    # "True" where it is on the command line; a file may say it in other words.
    return value is not None and value.lower() not in ("false", "0", "no", "off")


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
