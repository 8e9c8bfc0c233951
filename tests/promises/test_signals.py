"""A signal handler that raises leaves no lock behind: the client still sends, subscribes and closes.

Once it could come between a lock's ``acquire`` and the ``try`` behind it, and then the next that wanted the lock hung for ever.
"""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
from typing import Any, Dict

import pytest

from tests.promises.venues import ScriptedVenue, bybit_yes

ROOT = pathlib.Path(__file__).parents[2]
TIMES = 1_000


@pytest.mark.skipif(sys.version_info < (3, 10), reason="Python 3.9 itself may leave a lock of ``with`` locked: bpo-29988")
def test_a_thousand_signals_in_the_middle_of_calls(tls: Dict[str, Any], authority: Any, tmp_path: pathlib.Path) -> None:
    certificate = ""
    if tls:
        certificate = str(tmp_path / "authority.pem")
        authority.cert_pem.write_to_path(certificate)
    with ScriptedVenue(bybit_yes, **tls) as venue:
        program = subprocess.run(
            [sys.executable, "-W", "error", "-m", "tests.promises.interrupted", venue.url, certificate, str(TIMES)],
            capture_output=True, text=True, timeout=40, cwd=ROOT,
        )
    assert program.returncode == 0, program.stderr[-4000:]
    told = json.loads(program.stdout)
    assert sum(told["raised"].values()) >= TIMES, f"it hangs already: {told}"
    assert all(seconds < 1.0 for seconds in told["seconds"].values()), told
    assert told["left"] == []
