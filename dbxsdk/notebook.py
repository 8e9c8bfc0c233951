"""What notebooks need of the process's clients: ``close_all``, and that a cell which is run again leaves one client, not two.

In IPython and Jupyter a client remembers the cell that made it. When the cell is run again and makes a client of the same class
and name, what its earlier runs made is closed: the variable is bound to the new one, and nobody could close the old one any
more. A cell is known by its id (JupyterLab, Notebook 7, VS Code), else by its text.
"""

from __future__ import annotations

import sys
import threading
import weakref
from typing import Any, Dict, List, Optional, Tuple

from dbxsdk.arguments import check_seconds
from dbxsdk.runtime import exit, reentrancy
from dbxsdk.runtime.clock import monotonic
from dbxsdk.runtime.log import SafeLogger

logger = SafeLogger(__name__)

_Run = Tuple[int, "weakref.ref[Any]"]
"""The number of an execution, and the session of a client made in it."""

_cells: Dict[Tuple[str, str, str], List[_Run]] = {}
"""By cell, class and name. Main thread only: cells run there."""


def close_all(timeout: float = 5) -> None:
    """Close every open client of this process, those that nobody holds any more included, together: it takes the time that one
    takes, ``timeout`` seconds at most for callbacks that are still running. For notebooks and tests. Clients that were never
    opened stay usable. Safe to repeat; see ``Client.close``.

    Raises:
        TypeError, ValueError: naming the argument.
    """
    seconds = check_seconds("timeout", timeout, zero=True)
    until = monotonic() + seconds
    opened = [session for session in exit.members(exit.sessions) if session.is_open]
    held = [client for session in opened if (client := session.client()) is not None]

    def close() -> None:
        for client in held:
            client._end_rest()
        exit.close(opened, seconds)
        for client in held:  # and what belongs to it, such as an account
            client.close(max(until - monotonic(), 0.0))

    reentrancy.run(close)


def made(client: Any, session: exit.Session) -> None:
    """Note a new client; in IPython, close those that earlier runs of this cell made in its place."""
    session.client = weakref.ref(client)
    found = _running_cell()
    if found is None:
        return
    cell, number = found
    key = (cell, type(client).__name__, session.name)
    earlier = _cells.get(key, [])
    _cells[key] = [run for run in earlier if run[0] == number] + [(number, weakref.ref(session))]
    outlived = [each for run, ref in earlier if run != number and (each := ref()) is not None and each.is_open]
    if outlived:
        logger.info("%s: the cell is run again: the client of its run before is closed", session.name)
        exit.close(outlived, 1.0)


def _running_cell() -> Optional[Tuple[str, int]]:
    """Return the id or the text of the cell that runs now, and the number of its execution; None outside of IPython."""
    ipython: Any = sys.modules.get("IPython")
    if ipython is None or threading.current_thread() is not threading.main_thread():
        return None
    try:  # parts of IPython that may be named otherwise one day: then a cell that is run again leaves two clients
        shell = ipython.get_ipython()
        if shell is None:
            return None
        number = shell.execution_count
        parent = shell.get_parent() if hasattr(shell, "get_parent") else {}
        cell = parent.get("metadata", {}).get("cellId") or shell.history_manager.input_hist_raw[-1]
        return str(cell), int(number)
    except Exception as error:
        logger.debug("the cell that runs is not known: %s", error)
        return None
