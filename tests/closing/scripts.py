"""Users' programs, each in a process of its own, and how each of them ended.

Starting Python and importing the library costs more than the programs: one process does that, and forks for each. A
program is the rest of the fork's main module, and the interpreter then ends as it always does.
"""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import textwrap
from typing import Any, Dict, List, Mapping, Optional, Tuple

import attrs

ROOT = pathlib.Path(__file__).parents[2]
LONGEST = 30.0
"""Seconds after which what still runs is ended by force."""

LAUNCHER = '''
import atexit, gc, json, logging, os, signal, sys, threading, time, warnings
__FIRST__
import dbxsdk
from dbxsdk import *

def options(**more):
    return Options(**{"connect_timeout": 10, "request_timeout": 10, **more})

def digifinex(url=None, **more):
    return DigiFinexClient(url=url or VENUE, options=options(**more))

def daemon(function, *args):
    threading.Thread(target=function, args=args, daemon=True).start()

def subscribe(callback, **more):
    client = digifinex(**more)
    there = threading.Event()
    def first(update):
        there.set()
        callback(update)
    client.subscribe("trades", "BTC_USDT", callback=first)
    assert there.wait(20)
    return client

def say(*what):
    os.write(1, ("\\n" + " ".join(map(str, what)) + "\\n").encode())

def ends():
    say("ENDS", time.monotonic())

def log():
    logging.basicConfig(format="%(message)s")

def send(number):
    """A signal to this process, once the main thread is in the client's code."""
    me = threading.main_thread().ident
    def modules(frame):
        while frame is not None:
            yield frame.f_globals["__name__"]
            frame = frame.f_back
    def when_it_waits():
        while not any(name.startswith("dbxsdk.session.") for name in modules(sys._current_frames()[me])): pass
        ends()
        os.kill(os.getpid(), number)
    daemon(when_it_waits)

order = json.load(sys.stdin)
globals().update(order["places"])
running = {}
for number, body in enumerate(order["bodies"]):
    child = os.fork()
    if child == 0:
        for descriptor, name in (1, "out"), (2, "err"):
            file = os.open(f"{FOLDER}/{number}.{name}", os.O_CREAT | os.O_WRONLY)
            os.dup2(file, descriptor)
            os.close(file)
        break
    running[child] = number
else:
    body, ended = "", {}
    def too_long(*_):
        for child in running:
            os.kill(child, signal.SIGKILL)
    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(order["longest"])
    while running:
        child, status = os.wait()
        code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        ended[running.pop(child)] = code, time.monotonic()
    print(json.dumps(ended))
exec(body)
'''


@attrs.frozen
class Ended:
    """How a program ended. ``seconds`` are those from its call of ``ends()``, its last line mostly."""

    code: int
    said: Tuple[str, ...]
    stderr: str
    seconds: Optional[float]


def run(bodies: Mapping[str, str], places: Mapping[str, str], *, first: str = "", flags: Any = ()) -> Dict[str, Ended]:
    """All of them at once; by name. ``places`` are names that they have, ``FOLDER`` among them; ``first`` is called
    before ``dbxsdk`` is imported."""
    order = {"places": places, "bodies": [textwrap.dedent(body) for body in bodies.values()], "longest": int(LONGEST)}
    launcher = subprocess.run(
        [sys.executable, "-W", "error", *flags, "-c", LAUNCHER.replace("__FIRST__", textwrap.dedent(first))],
        input=json.dumps(order),
        capture_output=True,
        text=True,
        timeout=LONGEST + 20,
        cwd=ROOT,
    )
    assert launcher.returncode == 0, launcher.stderr
    times = json.loads(launcher.stdout)
    folder = pathlib.Path(places["FOLDER"])
    ended = {}
    for number, name in enumerate(bodies):
        code, moment = times[str(number)]
        lines = [line for line in (folder / f"{number}.out").read_text().splitlines() if line and line.strip("x")]
        told: List[str] = [line for line in lines if line.startswith("ENDS ")]
        seconds = moment - float(told[-1].split()[1]) if told else None
        said = tuple(line for line in lines if not line.startswith("ENDS "))
        ended[name] = Ended(code, said, (folder / f"{number}.err").read_text(), seconds)
    return ended
