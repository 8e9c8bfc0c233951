"""The interpreter ends with clients at work: in time, with the right code, and without a word."""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import signal
import socket
import sys
from typing import Any, Dict, Iterator, List, Tuple

import attrs
import pytest

from dbxsdk.recording import Closed, Frame, Opened, Torn, read
from dbxsdk.sim import DigiFinexVenue
from tests.closing.scripts import Ended, run
from tests.transport.servers import CLOSE, Peer, Server

SECONDS = 4.0
"""The clients' two, and the interpreter's own. One after the other, thirty clients would take nine."""
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork, and no SIGTERM to speak of")
QUIET = r""
LEFT = r"threads that have not ended in time are left to the process's end: dbxsdk-digifinex-\w+\n"
NO_MORE_THREADS = sys.version_info >= (3, 12)
"""In ``atexit`` functions."""


@attrs.frozen
class Way:
    """A program, and how it has to end."""

    body: str
    code: int = 0
    stderr: str = QUIET
    """A pattern of all of it."""
    said: Tuple[str, ...] = ()

    def is_right(self, ended: Ended, limit: float) -> bool:
        return (
            ended.code == self.code
            and re.fullmatch(self.stderr, ended.stderr) is not None
            and ended.said == self.said
            and ended.seconds is not None
            and ended.seconds < limit
        )


WAYS: Dict[str, Way] = {
    "no client": Way("ends()"),
    "the end": Way("client = subscribe(lambda update: None); ends()"),
    "sys.exit": Way("client = subscribe(lambda update: None); ends(); sys.exit(3)", 3),
    "sys.exit in with": Way(
        """
        with digifinex() as client:
            client.server_time(); ends(); sys.exit(4)
        """, 4,
    ),
    "an exception": Way(
        "client = subscribe(lambda update: None); ends(); raise ValueError('of the user')",
        1, r"Traceback[^\0]{,300}\nValueError: of the user\n",
    ),
    "Ctrl-C in wait": Way(
        """
        client = subscribe(lambda update: None)
        send(signal.SIGINT)
        client.wait()
        """, -signal.SIGINT, r"Traceback[^\0]{,2000}\nKeyboardInterrupt\n",
    ),
    "Ctrl-C in call": Way(
        """
        client = digifinex(url=SILENT)
        client.open()
        send(signal.SIGINT)
        try:
            client.call("server.time")
        except KeyboardInterrupt:
            sys.exit(130)
        """, 130,
    ),
    "SIGTERM, sys.exit": Way(
        """
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
        client = subscribe(lambda update: None)
        send(signal.SIGTERM)
        client.wait()
        """, 7,
    ),
    "SIGTERM, close": Way(
        """
        signal.signal(signal.SIGTERM, lambda *_: client.close())
        client = subscribe(lambda update: None)
        send(signal.SIGTERM)
        say(client.wait())
        """, said=("True",),
    ),
    "while connecting": Way(
        """
        client = digifinex(url=MUTE)
        future = client.submit("server.time")
        while client.state.value != "connecting": pass
        ends()
        """
    ),
    "while a token is fetched": Way(
        """
        from tests.connections import Noting
        Client._connector = network = Noting()
        client = CryptomusClient("user", "key", url=VENUE, token_url=MUTE.replace("ws", "http"), options=options())
        future = client.submit("ping")
        while network.now._socket is None: pass
        ends()
        """
    ),
    "while backing off": Way(
        """
        log()
        client = digifinex(url=DROPPING, backoff_initial=60, backoff_max=60)
        off = threading.Event()
        client.on_event(lambda event: off.set() if isinstance(event, Disconnected) and event.retry_in else None)
        client.open()
        assert off.wait(20)
        ends()
        """, stderr=r"(digifinex: disconnected: .*\n)+",
    ),
    "a callback that blocks": Way("log(); client = subscribe(lambda update: threading.Event().wait()); ends()", stderr=LEFT),
    "a callback that computes": Way(
        """
        log()
        def compute(update):
            while True: pass
        client = subscribe(compute)
        ends()
        """, stderr=LEFT,
    ),
    "a callback that blocks inline": Way(
        """
        log()
        there = threading.Event()
        client = digifinex(dispatch="inline")
        client.on_event(lambda event: (there.set(), threading.Event().wait()))
        client.submit("server.time")
        assert there.wait(20)
        ends()
        """, stderr=LEFT,
    ),
    "a done-callback that blocks": Way(
        """
        log()
        clients = [digifinex(url=SILENT) for _ in range(3)]
        for client in clients:
            client.open()
            client.submit("server.time").add_done_callback(lambda future: (say(future.exception()), threading.Event().wait()))
        recording = digifinex(recorder=Recorder(f"{FOLDER}/other.gz", flush_interval=60))
        recording.server_time()
        atexit.register(ends)
        """,
        stderr=LEFT.replace(r"\w+", "[a-z, -]+"),
        said=("the client was closed before the answer came",) * 3,
    ),
    "inline": Way("client = subscribe(lambda update: None, dispatch='inline'); ends()"),
    "a callback that prints": Way("client = subscribe(lambda update: print('x' * 9000, flush=True)); ends()"),
    "a request on another thread": Way(
        """
        client = digifinex(url=SILENT, request_timeout=0.7)
        client.open()
        def ask():
            try:
                client.call("server.time")
            except RequestTimeout:
                say("timeout")
        threading.Thread(target=ask).start()
        ends()
        """, said=("timeout",),
    ),
    "daemon threads that wait": Way(
        """
        client = digifinex()
        book = client.order_book("BTC_USDT")
        book.wait_ready(20)
        messages = client.messages("trades", "BTC_USDT")
        def requests():
            while True: client.server_time()
        def loop(function):
            try: function()
            except DbxError: pass
        daemon(loop, requests); daemon(loop, client.wait); daemon(loop, lambda: list(messages))
        daemon(loop, lambda: [book.wait_update(60) for _ in range(10 ** 9)])
        next(messages)
        ends()
        """
    ),
    "exec": Way("scope = dict(globals()); exec('client = subscribe(id); ends()', scope)"),
    "a thread that lives on": Way(
        """
        client, late = digifinex(), digifinex()
        client.open()
        def work():
            threading.main_thread().join()
            say(client.server_time() > 0, late.server_time() > 0)
            ends()
        threading.Thread(target=work).start()
        """, said=("True True",),
    ),
    "destructors": Way(
        """
        class Strategy:
            def __init__(self):
                self.me, self.client = self, digifinex()
                self.client.open()
            def __del__(self):
                self.client.close()
        strategies = [Strategy() for _ in range(3)]
        ends()
        """
    ),
    "a child of a fork": Way(
        """
        client = digifinex()
        client.open()
        import warnings; warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
        if child == 0:
            sys.exit(5)
        say(os.waitpid(child, 0)[1] >> 8, client.server_time() > 0, client.stats().reconnects)
        ends()
        """, said=("5 True 0",),
    ),
    "children of multiprocessing": Way(
        """
        import multiprocessing, warnings; warnings.simplefilter("ignore", DeprecationWarning)
        client = digifinex()
        client.open()
        def work():
            client.server_time()
        child = multiprocessing.get_context("fork").Process(target=work)
        child.start()
        child.join(10)
        say(child.exitcode, client.server_time() > 0, client.stats().reconnects)
        ends()
        """, said=("0 True 0",),
    ),
    "never opened": Way("clients = [digifinex() for _ in range(10)]; ends()"),
    "thirty that get no answer": Way(
        """
        clients = [digifinex(url=SILENT) for _ in range(30)]
        for client in clients:
            client.open()
        ends()
        """
    ),
    "a recorder": Way(
        """
        client = subscribe(lambda update: None, recorder=Recorder(f"{FOLDER}/recording.gz", flush_interval=60))
        for _ in range(20): client.server_time()
        ends()
        """
    ),
}


def silent(peer: Peer) -> None:
    peer.upgrade().until_end()


def dropping() -> Any:
    first: List[bool] = []

    def script(peer: Peer) -> None:
        if not first:
            first.append(True)
            peer.upgrade()
        else:
            peer.answer("503 Busy", "Retry-After: 30")

    return script


@pytest.fixture
def places(tmp_path: pathlib.Path) -> Iterator[Dict[str, str]]:
    with contextlib.ExitStack() as stack:
        venue = stack.enter_context(DigiFinexVenue(rate=50, symbols=["BTC_USDT"]))
        mute = stack.enter_context(socket.create_server(("127.0.0.1", 0)))  # the kernel alone accepts
        yield {
            "VENUE": venue.url(),
            "SILENT": stack.enter_context(Server(silent)).url,
            "DROPPING": stack.enter_context(Server(dropping())).url,
            "MUTE": f"ws://127.0.0.1:{mute.getsockname()[1]}/",
            "FOLDER": str(tmp_path),
        }
        assert venue.wait_until(lambda: venue.connections == 0)


def test_every_way_to_end(places: Dict[str, str]) -> None:
    ended = run({name: way.body for name, way in WAYS.items()}, places)
    # What a busy machine adds, it adds for a program that has nothing to close, too.
    limit = SECONDS + 3 * (ended["no client"].seconds or 0.0)
    wrong = {name: ended[name] for name, way in WAYS.items() if not way.is_right(ended[name], limit)}
    assert not wrong, "\n\n".join(f"{name}: {each}" for name, each in wrong.items())
    # What was recorded is there, to the end.
    records = list(read(os.path.join(places["FOLDER"], "recording.gz")))
    assert isinstance(records[-1], Closed) and not any(isinstance(record, Torn) for record in records)
    asked = [r for r in records if isinstance(r, Frame) and r.direction == "out" and b"server.time" in (r.payload or b"")]
    assert len(asked) == 20 and isinstance(records[0], Opened)


def test_atexit_functions_and_the_end_of_an_interactive_interpreter(places: Dict[str, str]) -> None:
    first = """
        def before():
            try:
                client.server_time()
            except dbxsdk.ClientClosed:
                say("before: closed")
            except NameError:
                pass  # in the process that starts the others
        atexit.register(before)
    """
    body = """
        client, late = digifinex(), digifinex()
        client.open()
        def after():
            say("after:", client.server_time() > 0)
            try:
                late.open()
                say("opened")
            except ConnectError as error:
                say(str(error).partition(":")[0])
            ends()
        atexit.register(after)
    """
    ended = run({"it": body}, places, first=first, flags=["-i"])["it"]
    after, late, before = ended.said
    assert (ended.code, after, before, ended.stderr.strip(" >\n")) == (0, "after: True", "before: closed", "")
    # From 3.12 on; where the interpreter was interactive some versions start them all the same.
    assert late == "opened" or (NO_MORE_THREADS and late == "the background threads could not be started")


def test_the_peer_is_told_goodbye(tmp_path: pathlib.Path) -> None:
    codes: List[int] = []

    def script(peer: Peer) -> None:
        opcode, payload = peer.upgrade().receive()
        assert opcode == CLOSE
        codes.append(int.from_bytes(payload[:2], "big"))
        peer.send(CLOSE, payload)

    with Server(script) as server:
        places = {"VENUE": server.url, "FOLDER": str(tmp_path)}
        ended = run({"it": "client = digifinex(); client.open(); ends()"}, places)["it"]
    assert (ended.code, ended.stderr, codes) == (0, "", [1000])
