"""Threads that use clients all the time, and the gate that has them stand still."""

from __future__ import annotations

import sys
import threading
import traceback
from types import TracebackType
from typing import Any, Callable, Dict, List, Optional, Type


class Gate:
    """Open: actors act. Shut: those that act finish, and nobody begins."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._open = True
        self._inside: Dict[int, str] = {}

    def __enter__(self) -> None:
        with self._changed:
            while not self._open:
                self._changed.wait()
            self._inside[threading.get_ident()] = threading.current_thread().name

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        with self._changed:
            del self._inside[threading.get_ident()]
            self._changed.notify_all()

    def open(self) -> None:
        with self._changed:
            self._open = True
            self._changed.notify_all()

    def shut(self, timeout: float) -> List[str]:
        """Waits until nobody acts. Who does so still, and where."""
        with self._changed:
            self._open = False
            self._changed.wait_for(lambda: not self._inside, timeout)
            inside = dict(self._inside)
        frames = sys._current_frames()
        return [f"{name}: {_place(frames[id_])}" for id_, name in inside.items() if id_ in frames]


def _place(frame: Any) -> str:
    return " <- ".join(f"{line.name}:{line.lineno}" for line in reversed(traceback.extract_stack(frame)))


class Actor:
    """Does one thing again and again, with a pause between."""

    def __init__(
        self, name: str, gate: Gate, act: Callable[[], Any], pause: Callable[[], float], tell: Callable[[str], None]
    ) -> None:
        self._gate = gate
        self._act = act
        self._pause = pause
        self._tell = tell
        self._stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, name=f"soak-{name}", daemon=True)

    def start(self) -> None:
        self.thread.start()

    def stop(self) -> None:
        """To be followed by opening the gate."""
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.wait(self._pause()):
            with self._gate:
                if self._stopping.is_set():
                    return
                try:
                    self._act()
                except Exception:
                    self._tell(f"{self.thread.name}: {traceback.format_exc(limit=-4)}")


class Pace:
    """Moves a local venue's market on, as its own thread would: but it can be stopped, and be made to hurry."""

    def __init__(self, venue: Any, rate: float, tell: Callable[[str], None]) -> None:
        self._venue = venue
        self._pause = 1 / rate
        self._tell = tell
        self._stopping = threading.Event()
        self._going = threading.Lock()  # held while it steps; who holds it stops the market
        self._thread = threading.Thread(target=self._run, name=f"soak-{venue.name}-pace", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(10)

    def halted(self) -> threading.Lock:
        """Entered, the market stands still."""
        return self._going

    def flood(self, steps: int) -> None:
        for _ in range(steps):
            with self._going:
                self._venue.step()

    def _run(self) -> None:
        while not self._stopping.wait(self._pause):
            try:
                with self._going:
                    self._venue.step()
            except Exception:
                self._tell(f"{self._venue.name}: {traceback.format_exc(limit=-4)}")
