"""Runs measurements: starts server and clients, keeps them on cores of their own, takes turns."""

from __future__ import annotations

import dataclasses
import importlib.util
import itertools
import json
import os
import pathlib
import subprocess
import sys
from typing import Any, Dict, List, Mapping, Optional, Sequence

from tests.benchmarks.server import Plan

ROOT = pathlib.Path(__file__).resolve().parents[2]
LONGEST = 90.0
"""Seconds that one measurement may take."""


@dataclasses.dataclass(frozen=True, eq=False)
class Measurement:
    """One client under one condition. Comparisons that name the same object share its results.

    Attributes:
        needs: the packages without which it cannot run.
        task: what ``clients`` reads.
        code: Python source to run in place of a task, in an interpreter that has imported nothing.
        plan: what the server does; ``task`` gets its address over ``scheme``.
    """

    needs: Sequence[str]
    task: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    code: str = ""
    scheme: str = "wss"
    plan: Plan = Plan()
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def missing(self) -> List[str]:
        needs = [*self.needs, *(["trustme"] if self.scheme == "wss" and not self.code else [])]
        return [name for name in needs if importlib.util.find_spec(name) is None]


@dataclasses.dataclass
class Result:
    """What the rounds of one measurement gave.

    Attributes:
        rounds: figures by name, one mapping a round.
        problem: why there is none: a package that is not installed, or an error.
    """

    rounds: List[Dict[str, float]] = dataclasses.field(default_factory=list)
    problem: Optional[str] = None

    def each(self, figure: str) -> List[float]:
        """The figure in each round."""
        return [figures[figure] for figures in self.rounds]


class Cores:
    """The server on the first core, the clients on the last, where there are two."""

    def __init__(self) -> None:
        available = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        self.apart = len(available) > 1
        self.server = str(available[0]) if self.apart else ""
        self.client = str(available[-1]) if self.apart else ""

    def __str__(self) -> str:
        if self.apart:
            return f"server on core {self.server}, clients on core {self.client}"
        return "server and clients NOT on cores of their own: the figures say little"


class Bench:
    """A running server, and the processes of the clients. ``fresh`` gives each measurement a process of its own."""

    def __init__(self, directory: str, fresh: bool = True) -> None:
        self.cores = Cores()
        self._fresh = fresh
        self._groups = itertools.count()
        self._authority = ""
        self._workers: Dict[Any, "subprocess.Popen[str]"] = {}
        certificate = self._make_certificate(pathlib.Path(directory)) if importlib.util.find_spec("trustme") else ""
        self._server = self._start(["-m", "tests.benchmarks.server", certificate, self.cores.server], {})
        assert self._server.stdout is not None
        self._ports: Dict[str, int] = json.loads(self._server.stdout.readline())

    def __enter__(self) -> "Bench":
        return self

    def __exit__(self, *_: object) -> None:
        for process in (*self._workers.values(), self._server):
            _end(process)

    def measure(self, measurements: Sequence[Measurement], rounds: int) -> Dict[Measurement, Result]:
        """Each of them ``rounds`` times, in turn, every other round backwards."""
        results = {measurement: Result() for measurement in measurements}
        for measurement, result in results.items():
            missing = measurement.missing()
            if missing:
                result.problem = f"not installed: {', '.join(missing)}"
        for number in range(rounds):
            for measurement in (measurements, measurements[::-1])[number % 2]:
                result = results[measurement]
                if result.problem is None:
                    figures = self._run(measurement)
                    result.problem = figures.pop("error", None)
                    result.rounds.append(figures)
        return results

    def _run(self, measurement: Measurement) -> Dict[str, Any]:
        environment = {"SSL_CERT_FILE": self._authority, **measurement.environment}
        if measurement.code:
            return self._ask(self._start(["-c", measurement.code], environment, pinned=True), "")
        plan = dataclasses.replace(measurement.plan, group=str(next(self._groups)))
        address = f"{measurement.scheme}://127.0.0.1:{self._ports[measurement.scheme]}/v5/public/linear?{plan.query()}"
        line = json.dumps({**measurement.task, "frames": plan.frames, "url": address}) + "\n"
        start = ["-m", "tests.benchmarks.clients"]
        if self._fresh:
            return self._ask(self._start(start, environment, pinned=True), line)
        key = tuple(environment.items())
        if key not in self._workers:
            self._workers[key] = self._start(start, environment, pinned=True)
        worker = self._workers[key]
        assert worker.stdin is not None and worker.stdout is not None
        worker.stdin.write(line)
        worker.stdin.flush()
        answer: Dict[str, Any] = json.loads(worker.stdout.readline() or '{"error": "the process ended"}')
        return answer

    def _ask(self, process: "subprocess.Popen[str]", line: str) -> Dict[str, Any]:
        try:
            output, errors = process.communicate(line, timeout=LONGEST)
        except subprocess.TimeoutExpired:
            return {"error": f"took longer than {LONGEST:g} s"}
        finally:
            _end(process)
        lines = output.splitlines()
        if not lines:
            return {"error": (errors.strip().splitlines() or ["the process ended"])[-1]}
        figures: Dict[str, Any] = json.loads(lines[-1])
        return figures

    def _start(self, arguments: List[str], environment: Mapping[str, str], pinned: bool = False) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "", **environment},  # else imports compile, each time
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if pinned and self._fresh else None,
            text=True,
        )
        if pinned and self.cores.apart:
            os.sched_setaffinity(process.pid, {int(self.cores.client)})
        return process

    def _make_certificate(self, directory: pathlib.Path) -> str:
        """Every client finds the authority where OpenSSL's environment variable says, and verifies as it always does."""
        import trustme

        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(directory / "authority.pem"))
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(directory / "server.pem"))
        self._authority = str(directory / "authority.pem")
        return str(directory / "server.pem")


def _end(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()
