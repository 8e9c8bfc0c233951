"""The log: lines that no handler or filter can turn into the end of a thread."""

from __future__ import annotations

import logging
import sys
import threading
from typing import Any, Mapping, Optional

from dbxsdk.cleaning import clean


class SafeLogger(logging.LoggerAdapter):  # type: ignore[type-arg]  # Python 3.10 does not have the brackets
    """A module's logger. What a handler or filter raises goes no further, except for a ``KeyboardInterrupt`` and its like on
    the main thread, which are meant for the program. Arguments are cleaned: they may quote a venue. Records have ``client`` and
    ``venue`` as attributes, so that a formatter may name them; empty, if it is no client's line."""

    def __init__(self, name: str, extra: Optional[Mapping[str, str]] = None) -> None:
        super().__init__(logging.getLogger(name), extra or {"client": "", "venue": ""})

    def log(self, level: int, msg: object, *args: Any, stacklevel: int = 2, **kwargs: Any) -> None:
        """Write a line, as of the caller. All other methods come here."""
        try:
            if self.logger.isEnabledFor(level):
                args = tuple(each if isinstance(each, (int, float)) else clean(each) for each in args)
                self.logger.log(level, msg, *args, extra=self.extra, stacklevel=stacklevel, **kwargs)
        except Exception as error:
            _report(error)
        except BaseException as error:  # noqa: B036 - SystemExit in a handler would end one of our threads in silence
            if threading.current_thread() is threading.main_thread():
                raise
            _report(error)


class ClientLog(SafeLogger):
    """One client's log. Each line begins with the client's name; records have ``client`` and ``venue`` as attributes."""

    def __init__(self, name: str, venue: str, client: str) -> None:
        super().__init__(name, {"client": client, "venue": venue})
        self._client = client
        self._shown = False

    def log(self, level: int, msg: object, *args: Any, **kwargs: Any) -> None:
        """Write a line, as of the caller. All other methods come here."""
        super().log(level, f"%s: {msg}", self._client, *args, stacklevel=3, **kwargs)

    def nobody_saw(self, error: BaseException) -> None:
        """Hand the exception of a callback to ``threading.excepthook``, once a client, if no handler has shown it."""
        if self._shown or _is_shown(self.logger):
            return
        self._shown = True
        try:
            arguments = threading.ExceptHookArgs((type(error), error, error.__traceback__, threading.current_thread()))
            threading.excepthook(arguments)
        except BaseException as failure:  # noqa: B036 - as above
            _report(failure)


def hand_on(record: logging.LogRecord, passing: logging.Filter) -> None:
    """Give a record to the filters of its logger, except for ``passing``, and to its handlers. What they raise goes no further,
    as in ``SafeLogger``."""
    logger = logging.getLogger(record.name)
    try:
        for each in logger.filters:
            wanted: Any = each is passing or (each.filter(record) if hasattr(each, "filter") else each(record))
            if not wanted:
                return
            if isinstance(wanted, logging.LogRecord):  # from Python 3.12 on, a filter may replace it
                record = wanted
        logger.callHandlers(record)
    except Exception as error:
        _report(error)
    except BaseException as error:  # noqa: B036 - as above
        if threading.current_thread() is threading.main_thread():
            raise
        _report(error)


def _report(error: BaseException) -> None:
    # What logging itself does with a handler's failure: standard error, and only in development.
    if logging.raiseExceptions and sys.stderr is not None:
        try:
            sys.stderr.write(f"dbxsdk: a logging handler raised {type(error).__name__}\n")
        except Exception:
            pass  # a stream of the user's, or one that is closed: there is nowhere left to say it


def _is_shown(logger: logging.Logger) -> bool:
    """True if there is a handler other than ``NullHandler``."""
    current: Any = logger
    while current is not None:
        if any(not isinstance(handler, logging.NullHandler) for handler in current.handlers):
            return True
        current = current.parent if current.propagate else None
    return False
