"""The measured clients, one function a client, and what is measured of them. Runs in a process of its own.

``python -m tests.benchmarks.clients`` reads one task a line (JSON) and writes one result a line; the runner starts it
afresh for each measurement. Packages are imported by the functions that need them, so that a process holds the client under
test alone. Each client is used in the fastest way that its documentation knows, and every callback does the same.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
import time
from decimal import Decimal
from typing import Any, Callable, Dict, List, Tuple

PATIENCE = 30.0
"""Seconds that a measurement may take."""

Deliver = Callable[[Any], None]
"""A callback, taking one decoded message."""
Stream = Callable[[Dict[str, Any], Callable[[], Deliver]], None]
"""``stream(task, deliver)`` connects, subscribes and gives each message to a callback made by ``deliver()``, one for
each client. It may return at once or block; the process is ended under it."""

SUBSCRIBE = '{"op":"subscribe","args":["publicTrade.BTCUSDT"]}'
SUBSCRIBE_DEPTH = '{"id":1,"method":"depth.subscribe","params":["BTC_USDT"]}'


# dbxsdk


def dbxsdk_stream(task: Dict[str, Any], deliver: Callable[[], Deliver]) -> None:
    """``clients`` clients; each has ``topics`` topics with one callback, and ``others`` topics with a callback each."""
    import dbxsdk

    recorder = None
    if task.get("recording"):
        import tempfile

        task["folder"] = tempfile.TemporaryDirectory()
        recorder = dbxsdk.Recorder(task["folder"].name)
    options = dbxsdk.Options(dispatch=task.get("dispatch", "thread"), recorder=recorder)
    clients: List[Any] = []
    for _ in range(task.get("clients", 1)):
        if task.get("venue") == "digifinex":
            clients.append(dbxsdk.DigiFinexClient(url=task["url"], options=options))
        else:
            # A backfill asks nothing while nothing is lost, and nobody listens there.
            clients.append(dbxsdk.BybitPublicClient("linear", url=task["url"], rest_url="http://127.0.0.1:9", options=options))
        clients[-1].open()
    task["kept"] = clients
    raw = not task.get("typed", False)
    for client in clients:
        if task.get("venue") == "digifinex":
            client.subscribe("depth", "BTC_USDT", callback=deliver(), raw=raw)
        elif "topics" in task:
            # Names of two characters: 2,000 longer ones are more than Bybit allows a connection.
            client.subscribe("kline.1", _symbols(task["topics"]), callback=deliver(), raw=raw)
            for symbol in _symbols(task["topics"] + task.get("others", 0))[task["topics"]:]:
                client.subscribe("kline.1", symbol, callback=lambda update: None, raw=raw)
        else:
            client.subscribe("publicTrade", "BTCUSDT", callback=deliver(), raw=raw, backfill=task.get("backfill", False))


def _symbols(count: int) -> List[str]:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    return [first + second for first in letters for second in letters][:count]


# Peers


def picows_stream(task: Dict[str, Any], deliver: Callable[[], Deliver]) -> None:
    import asyncio

    from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

    loads, callback = _loads(task), deliver()

    class Listener(WSListener):
        def on_ws_connected(self, transport: WSTransport) -> None:
            transport.send(WSMsgType.TEXT, SUBSCRIBE.encode())

        def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
            callback(loads(frame.get_payload_as_memoryview()))

    async def run() -> None:
        transport, _ = await ws_connect(Listener, task["url"], use_aiofastnet=task["aiofastnet"])
        await transport.wait_disconnected()

    asyncio.run(run())


def aiohttp_stream(task: Dict[str, Any], deliver: Callable[[], Deliver]) -> None:
    import asyncio
    import inspect

    import aiohttp

    loads, callback = _loads(task), deliver()
    # Since 3.14 it can hand out bytes, which is faster.
    knows = inspect.signature(aiohttp.ClientSession._ws_connect).parameters
    options: Dict[str, Any] = {"decode_text": False} if "decode_text" in knows else {}

    async def run() -> None:
        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(task["url"], **options) as connection:
                await connection.send_str(SUBSCRIBE)
                async for message in connection:
                    callback(loads(message.data))

    asyncio.run(run())


def websockets_stream(task: Dict[str, Any], deliver: Callable[[], Deliver]) -> None:
    from websockets.sync.client import connect

    loads, callback = _loads(task), deliver()
    with connect(task["url"], compression=None, max_queue=None) as connection:
        connection.send(SUBSCRIBE)
        while True:
            callback(loads(connection.recv(decode=False)))


def websocket_rs_stream(task: Dict[str, Any], deliver: Callable[[], Deliver]) -> None:
    from websocket_rs.sync.client import connect

    loads, callback = _loads(task), deliver()
    with connect(task["url"], receive_timeout=PATIENCE) as connection:
        connection.send(SUBSCRIBE)
        receive = connection.recv
        while True:
            callback(loads(receive()))


def websocket_app_stream(task: Dict[str, Any], deliver: Callable[[], Deliver]) -> None:
    import zlib

    import websocket

    loads, callback = _loads(task), deliver()
    depth = task.get("venue") == "digifinex"

    def on_open(app: Any) -> None:
        app.send(SUBSCRIBE_DEPTH if depth else SUBSCRIBE)

    def on_message(app: Any, message: Any) -> None:
        callback(loads(message))

    def on_compressed(app: Any, message: Any) -> None:
        callback(loads(zlib.decompress(message)))

    app = websocket.WebSocketApp(task["url"], on_open=on_open, on_message=on_compressed if depth else on_message)
    app.run_forever(skip_utf8_validation=True)


def pybit_stream(task: Dict[str, Any], deliver: Callable[[], Deliver]) -> None:
    task["kept"] = client = _pybit(task["url"])
    client.trade_stream("BTCUSDT", deliver())


def _pybit(url: str) -> Any:
    from pybit import unified_trading

    unified_trading.PUBLIC_WSS = url
    return unified_trading.WebSocket(testnet=False, channel_type="linear")


def _loads(task: Dict[str, Any]) -> Callable[[Any], Any]:
    if task.get("json") == "stdlib":
        return json.loads
    import orjson

    return orjson.loads


STREAMS: Dict[str, Stream] = {
    "dbxsdk": dbxsdk_stream,
    "picows": picows_stream,
    "aiohttp": aiohttp_stream,
    "websockets": websockets_stream,
    "websocket_rs": websocket_rs_stream,
    "websocket_app": websocket_app_stream,
    "pybit": pybit_stream,
}


# What is measured of a stream


def flood(task: Dict[str, Any]) -> Dict[str, float]:
    """Wall and processor time a message, from the first to the last callback (of all clients together)."""
    done = threading.Event()
    clients, frames = task.get("clients", 1), task["frames"]
    first: List[Tuple[float, float]] = []
    last: List[Tuple[float, float]] = []
    touch = _TOUCHES[task.get("touch", "")]

    def counter() -> Deliver:
        seen = 0

        def callback(message: Any) -> None:
            nonlocal seen
            if touch is not None:
                touch(message)
            seen += 1
            if seen == 1:
                first.append((time.perf_counter(), time.process_time()))
            elif seen == frames:
                last.append((time.perf_counter(), time.process_time()))
                if len(last) == clients:
                    done.set()

        return callback

    _run(task, counter, done)
    (wall, cpu), (wall_end, cpu_end) = min(first), max(last)
    messages = frames * clients - 1
    return {"wall_us": (wall_end - wall) / messages * 1e6, "cpu_us": (cpu_end - cpu) / messages * 1e6}


def _touch_update(update: Any) -> None:
    for trade in update.data:
        trade.price, trade.size  # noqa: B018


def _touch_document(document: Any) -> None:
    for trade in document["data"]:
        trade["p"], trade["v"]  # noqa: B018


def _touch_decimals(document: Any) -> None:
    for trade in document["data"]:
        Decimal(trade["p"]), Decimal(trade["v"])  # noqa: B018


_TOUCHES = {"": None, "update": _touch_update, "document": _touch_document, "decimals": _touch_decimals}


def kept(task: Dict[str, Any]) -> Dict[str, float]:
    """Memory of what a program keeps that keeps all that it gets."""
    done = threading.Event()
    messages: List[Any] = []
    resident: List[float] = []

    def keeper() -> Deliver:
        def callback(message: Any) -> None:
            messages.append(message)
            if len(messages) in (task["frames"] // 10, task["frames"]):
                resident.append(_resident_kib())
                if len(resident) == 2:
                    done.set()

        return callback

    _run(task, keeper, done)
    return {"kept_bytes": (resident[1] - resident[0]) * 1024 / (task["frames"] - task["frames"] // 10)}


def lag(task: Dict[str, Any]) -> Dict[str, float]:
    """From the server's sending to the callback, beside a thread that computes all the time."""
    done = threading.Event()
    lags: List[int] = []

    def counter() -> Deliver:
        def callback(message: Any) -> None:
            lags.append(time.monotonic_ns() - message["ts"])
            if len(lags) == task["frames"]:
                done.set()

        return callback

    def compute() -> None:
        number = 0
        while not done.is_set():
            for _ in range(10_000):
                number = (number * 31 + 7) % 1_000_003

    threading.Thread(target=compute, daemon=True).start()
    _run(task, counter, done)
    return {"p50_us": _quantile(lags, 0.5) / 1e3, "p99_us": _quantile(lags, 0.99) / 1e3}


def _run(task: Dict[str, Any], deliver: Callable[[], Deliver], done: threading.Event) -> None:
    """Runs the stream until ``done``; raises what it raised before that."""
    errors: List[BaseException] = []

    def stream() -> None:
        try:
            STREAMS[task["client"]](task, deliver)
        except BaseException as error:  # noqa: B036 - raised again below
            errors.append(error)
            done.set()

    threading.Thread(target=stream, daemon=True).start()
    finished = done.wait(PATIENCE)
    if errors:
        raise errors[0]
    if not finished:
        raise TimeoutError("not all messages came")


# Requests


def dbxsdk_requests(task: Dict[str, Any]) -> Dict[str, float]:
    """``threads`` threads that ask one client, one request after another each."""
    import dbxsdk

    with dbxsdk.BybitPublicClient("linear", url=task["url"]) as client:
        return _requests(task, client.ping)


def bare_requests(task: Dict[str, Any]) -> Dict[str, float]:
    """The same frames over websocket-client, with nothing around it."""
    import websocket

    connection = websocket.create_connection(task["url"], skip_utf8_validation=True)
    ping = '{"req_id":"0123456789ab-1000","op":"ping"}'

    def ask() -> None:
        connection.send(ping)
        connection.recv()

    result = _requests(task, ask)
    connection.close()
    return result


def _requests(task: Dict[str, Any], ask: Callable[[], Any]) -> Dict[str, float]:
    threads = task.get("threads", 1)
    times: List[float] = []
    barrier = threading.Barrier(threads + 1)

    def run() -> None:
        for _ in range(task["requests"] // 20):
            ask()
        barrier.wait(PATIENCE)
        for _ in range(task["requests"] // threads):
            begin = time.perf_counter()
            ask()
            times.append(time.perf_counter() - begin)
        barrier.wait(PATIENCE)

    for _ in range(threads):
        threading.Thread(target=run, daemon=True).start()
    barrier.wait(PATIENCE)
    wall, cpu = time.perf_counter(), time.process_time()
    barrier.wait(PATIENCE)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {
        "p50_us": _quantile(times, 0.5) * 1e6,
        "p99_us": _quantile(times, 0.99) * 1e6,
        "wall_us": wall / len(times) * 1e6,
        "cpu_us": cpu / len(times) * 1e6,
    }


# Order books


def books(task: Dict[str, Any]) -> Dict[str, float]:
    """One side of ``tests.benchmarks.books``, which measures no connection."""
    from tests.benchmarks.books import measure

    return {"cpu_us": measure(task["levels"], task["deltas"], sides=[task["client"]])[f"{task['client']}_us"]}


# Idle clients


def idle(task: Dict[str, Any]) -> Dict[str, float]:
    """Memory of the package with a first client and of each further one; wake-ups a second of the first."""
    kept: List[Any] = []

    def connect() -> None:
        if task["client"] == "pybit":
            kept.append(_pybit(task["url"]))
            kept[-1].trade_stream("BTCUSDT", print)
        else:
            dbxsdk_stream({**task, "clients": 1}, lambda: print)

    before = _resident_kib()
    connect()
    first = _resident_kib()
    main = threading.get_native_id()
    switches = _voluntary_switches(main)
    time.sleep(task["seconds"])
    woken = _voluntary_switches(main) - switches
    for _ in range(task["more"]):
        connect()
    more = _resident_kib()
    return {
        "first_kib": first - before,
        "further_kib": (more - first) / task["more"],
        "wakeups": woken / task["seconds"],
    }


def _resident_kib() -> float:
    gc.collect()
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024


def _voluntary_switches(main: int) -> int:
    """How often the threads but ``main`` have given up the processor to wait for something."""
    total = 0
    for thread in os.listdir("/proc/self/task"):
        if int(thread) != main:
            with open(f"/proc/self/task/{thread}/status", encoding="ascii") as file:
                total += next(int(line.split()[1]) for line in file if line.startswith("voluntary_ctxt_switches"))
    return total


def _quantile(values: List[Any], part: float) -> float:
    ordered = sorted(values)
    return float(ordered[min(int(part * len(ordered)), len(ordered) - 1)])


MEASURES: Dict[str, Callable[[Dict[str, Any]], Dict[str, float]]] = {
    "flood": flood,
    "kept": kept,
    "lag": lag,
    "dbxsdk_requests": dbxsdk_requests,
    "bare_requests": bare_requests,
    "books": books,
    "idle": idle,
}


def main() -> None:
    for line in sys.stdin:
        task = json.loads(line)
        try:
            result: Dict[str, Any] = MEASURES[task["measure"]](task)
        except BaseException as error:  # noqa: B036 - told in the table
            result = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(result), flush=True)
    os._exit(0)  # most clients still hold their connection, and some would wait for a close


if __name__ == "__main__":
    main()
