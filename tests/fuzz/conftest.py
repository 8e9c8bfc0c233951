"""The rule for every test here, and the figures of a long run in the summary."""

from __future__ import annotations

import collections
import threading
from typing import Any, Counter, Dict, Iterator

import pytest

from tests.fuzz import running
from tests.waiting import eventually

_total: Dict[str, Counter[str]] = collections.defaultdict(collections.Counter)


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    yield
    eventually(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("dbxsdk-")])


def _add(figures: Any) -> None:
    for subject, counts in figures.items():
        _total[subject].update(counts)


def pytest_sessionfinish(session: pytest.Session) -> None:
    output = getattr(session.config, "workeroutput", None)
    if output is not None:  # a process of xdist's: its figures go to the first one
        output["fuzz"] = {subject: dict(counts) for subject, counts in running.ran.items()}
    else:
        _add(running.ran)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: Any) -> None:
    _add(getattr(node, "workeroutput", {}).get("fuzz", {}))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if not (running.EXAMPLES and _total):
        return
    failed = [report.nodeid for report in terminalreporter.stats.get("failed", ()) if "tests/fuzz/" in report.nodeid]
    terminalreporter.section("fuzzing")
    for subject, counts in sorted(_total.items()):
        told = ", ".join(f"{number:,} {what}" for what, number in sorted(counts.items()))
        terminalreporter.line(f"{subject:32} {told}")
    terminalreporter.line(f"findings: {len(failed)}" + "".join(f"\n  {name}" for name in failed))
