"""A fork while another thread imports what the library imports at its first use: it waits, and the child can import it."""

from __future__ import annotations

import os
import pathlib

import pytest

from tests.processes.hosted import scripts

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

# A requests that takes its time; ``argv``: its folder.
SCRIPT = """
import builtins, faulthandler, os, sys, threading, warnings
warnings.simplefilter("ignore", DeprecationWarning)
sys.path.insert(0, sys.argv[1])
builtins.import_began, builtins.import_may_end = threading.Event(), threading.Event()
import dbxsdk
from dbxsdk.transport.http import get

def fetch():
    try:
        get("http://127.0.0.1:9/", dbxsdk.Options(), timeout=1)
    except dbxsdk.ConnectError:
        pass

importer = threading.Thread(target=fetch)
importer.start()
assert import_began.wait(5)
threading.Timer(0.1, import_may_end.set).start()
pid = os.fork()
if pid == 0:
    faulthandler.dump_traceback_later(5, exit=True)  # where a child hangs
    fetch()
    os._exit(0)
importer.join()
assert os.waitpid(pid, 0)[1] == 0
# A thread that forks inside its own import waits for nobody.
from dbxsdk.runtime.fork import importing
with importing():
    pid = os.fork()
    if pid == 0:
        faulthandler.dump_traceback_later(5, exit=True)
        with importing():
            os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
"""

SLOW = """
import builtins
builtins.import_began.set()
assert builtins.import_may_end.wait(5)
"""


def test_a_fork_waits_for_an_import(tmp_path: pathlib.Path) -> None:
    import requests

    package = tmp_path / "requests"
    package.mkdir()
    real = pathlib.Path(str(requests.__file__))
    # The real one, behind a pause.
    (package / "__init__.py").write_text(
        f"{SLOW}import pathlib\n__path__[:] = [{str(real.parent)!r}]\n"
        f"exec(compile(pathlib.Path({str(real)!r}).read_text('utf-8'), {str(real)!r}, 'exec'))\n"
    )
    scripts(SCRIPT, arguments=[[str(tmp_path)]])
