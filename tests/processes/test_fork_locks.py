"""A fork while other threads hold all the locks that the library has: the child works all the same."""

from __future__ import annotations

import ast
import json
import os
import pathlib
import ssl
from typing import Any, Dict, Iterator, Tuple

import pytest
import trustme

import dbxsdk
from dbxsdk.sim import BybitVenue, CryptomusVenue, DigiFinexVenue
from tests.processes.hosted import scripts, told
from tests.transport.conftest import authority, server_context  # noqa: F401

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

PACKAGE = pathlib.Path(dbxsdk.__file__).parent
ELSEWHERE = {"sim", "cli", "playback", "relay"}
"""Not for a child to go on with: servers, programs, replays and relays, which are of their process. A relay's worker makes what
it needs with each connection: see ``tests/relay``."""
OF_THE_CHILD = {"_after_fork", "after_fork_in_child", "end_in_child", "forget", "first_use", "_locked"}
"""What makes locks in a child only."""
OF_ONE_THREAD = {"wait_until", "pause", "awaited"}
"""What makes them for itself: for one wait of its own."""

# ``argv``: the venues' addresses, the certificate, a folder, and whether the library's fork hooks run.
SCRIPT = """
import sys, threading, os, json, faulthandler, ssl, tempfile, warnings
import concurrent.futures, logging  # with their own fork hooks

warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 tells of forks with threads
settings = json.loads(sys.argv[1])
if not settings["hooks"]:
    os.register_at_fork = lambda **hooks: None

from tests.processes import locks  # first: it sees all that are made from now on
import dbxsdk

context = ssl.create_default_context(cafile=settings["cafile"])
recorder = dbxsdk.Recorder(tempfile.mkdtemp(dir=settings["folder"]))
options = dbxsdk.Options(connect_timeout=8, request_timeout=8, ssl_context=context, recorder=recorder)
trades = dbxsdk.DigiFinexClient(url=settings["digifinex"], options=options)
arrived = threading.Event()
trades.on_event(lambda event: None)
trades.subscribe("trades", "BTC_USDT", callback=lambda update: arrived.set())
trades.subscribe("ticker", "BTC_USDT", callback=lambda update: None, raw=True)
book = trades.order_book("BTC_USDT")
messages = trades.messages("trades", "BTC_USDT")
union = dbxsdk.CryptomusClient(
    settings["user_id"], settings["key"], url=settings["cryptomus"], token_url=settings["token_url"],
    markets_url=settings["markets_url"], options=dbxsdk.Options(connect_timeout=8, request_timeout=8),
)
told = threading.Event()
union.subscribe("trade", "BTC_USDT", callback=lambda update: told.set())
owner = dbxsdk.BybitPrivateClient(
    settings["bybit_key"], settings["bybit_secret"], url=settings["bybit"], rest_url=settings["rest_url"],
    options=dbxsdk.Options(connect_timeout=8, request_timeout=8),
)
account = owner.account()
owner.subscribe("execution", callback=lambda update: None, backfill=True)
assert account.wait_ready(8)
future = trades.submit("server.time")
future.result(8)
assert book.wait_ready(8) and arrived.wait(8) and told.wait(8)

def child():
    global arrived, told
    arrived, told = threading.Event(), threading.Event()
    assert trades.server_time() > 0
    assert future.result(0) > 0
    assert isinstance(next(messages), dbxsdk.Gap)
    assert next(messages).symbol == "BTC_USDT"
    assert book.wait_ready(8) and book.best_bid is not None
    assert arrived.wait(8), "no update"
    assert union.ping() > 0
    assert told.wait(8), "no update of the union's"
    assert recorder.stats().failing is None
    assert account.is_stale and "forked" in account.stale_reason
    owner.subscribe("greeks", callback=lambda update: None)
    mine = owner.account()
    assert mine.wait_ready(8)
    owner.close()
    trades.close()
    union.close()
    recorder.close()
    assert dbxsdk.BybitTradeClient
    left = [thread.name for thread in threading.enumerate() if thread.name.startswith("dbxsdk-")]
    assert not left, left

# A fork waits for that one: see test_fork_imports.
let_go = locks.hold_all(*(["runtime/fork.py"] if settings["hooks"] else []))
held = [place for place in locks.places() if not (settings["hooks"] and place.startswith("runtime/fork.py"))]
pid = os.fork()
if pid == 0:
    faulthandler.dump_traceback_later(20, exit=True)  # where a child hangs
    try:
        child()
    except BaseException:
        import traceback
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
let_go()
status = os.waitpid(pid, 0)[1]
assert trades.server_time() > 0 and union.ping() > 0 and owner.ping() > 0 and not account.is_stale
owner.close()
result = [trades.stats().reconnects, union.stats().reconnects]
trades.close()
union.close()
recorder.close()
print(json.dumps({"held": held, "status": status, "reconnects": result}))
"""


def locks_in_the_source() -> Iterator[Tuple[str, int]]:
    """Where the library makes locks that a parent may hold."""
    for path in sorted(PACKAGE.rglob("*.py")):
        inner = path.relative_to(PACKAGE).as_posix()
        if inner.split("/")[0] in ELSEWHERE:
            continue
        for function in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(function, ast.FunctionDef) and function.name not in OF_THE_CHILD | OF_ONE_THREAD:
                for node in ast.walk(function):
                    if isinstance(node, ast.Call) and makes_a_lock(node):
                        yield inner, node.lineno


def makes_a_lock(call: ast.Call) -> bool:
    name = ast.unparse(call.func)
    return name in ("threading.Lock", "threading.RLock", "threading.Event") or (
        name == "threading.Condition" and not call.args
    )


def test_a_fork_while_every_lock_is_held(
    server_context: ssl.SSLContext, authority: trustme.CA, tmp_path: pathlib.Path  # noqa: F811
) -> None:
    cafile = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(cafile))
    trading = DigiFinexVenue(rate=50, symbols=["BTC_USDT"], ssl_context=server_context)
    with trading as trades, CryptomusVenue(rate=50) as union, BybitVenue() as owner:
        settings: Dict[str, Any] = {
            "cafile": str(cafile),
            "folder": str(tmp_path),
            "digifinex": trades.url(),
            "cryptomus": union.url(),
            "token_url": union.token_url(),
            "markets_url": union.markets_url(),
            "user_id": union.user_id,
            "key": union.api_key,
            "bybit": owner.url("/v5/private"),
            "rest_url": owner.rest_url(),
            "bybit_key": owner.api_key,
            "bybit_secret": owner.api_secret,
        }
        hooks = [True, False]
        arguments = [[json.dumps({"hooks": each, **settings})] for each in hooks]
        printed = scripts(SCRIPT, SCRIPT, arguments=arguments, timeout=60)
    for number, text in enumerate(printed):
        found = told(text)
        assert found["status"] == 0, text
        assert found["reconnects"] == [0, 0], "the parents' connections are the same as before"
        expected = {f"{path}:{line}" for path, line in locks_in_the_source() if not (hooks[number] and path == "runtime/fork.py")}
        assert expected - set(found["held"]) == set(), "locks that were never held here"
