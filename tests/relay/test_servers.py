"""Servers that refuse, and servers of other kinds: TLS, users with few rights, Sentinel, an old one; a lost answer."""

from __future__ import annotations

import contextlib
import pathlib
import shutil
import socket
import subprocess
import threading
from typing import Any, Iterator, List

import pytest
import trustme

import dbxsdk
from dbxsdk import AuthError, ConnectError, DbxError
from dbxsdk.relay import server as servers
from dbxsdk.relay.keys import Keys
from tests.relay.redis_server import RedisServer, redis_server
from tests.relay.scene import Scene, Worker, judge
from tests.waiting import eventually


def test_nobody_there(stage: Scene) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        relay = dbxsdk.Relay(f"redis://127.0.0.1:{free.getsockname()[1]}")
        for use in (lambda: relay.serve(stage.venue.client("linear")), relay.client("bybit:linear").open):
            with pytest.raises(ConnectError, match="redis at 127.0.0.1"):
                use()


def test_a_server_that_is_too_old(stage: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "OLDEST", (99, 0))
    for use in (lambda: stage.relay.serve(stage.venue.client("linear")), stage.relay.client("bybit:linear").open):
        with pytest.raises(ConnectError, match="needs Redis 99.0 or later, or Valkey; this is"):
            use()


@pytest.mark.parametrize("lacking, who", [("xadd", "serve"), ("set", "serve"), ("xread", "client"), ("rpush", "client")])
def test_a_user_without_a_right_that_is_needed(stage: Scene, lacking: str, who: str) -> None:
    stage.server.client().execute_command("ACL", "SETUSER", "limited", "on", ">secret-word", "~*", "+@all", f"-{lacking}")
    relay = dbxsdk.Relay(f"redis://limited:secret-word@127.0.0.1:{stage.server.port}/0", prefix="test")
    if who == "client":
        stage.serve()
    with pytest.raises(AuthError, match=f"(?i)lacks a right.*{lacking}.*ACL") as raised:
        relay.serve(stage.venue.client("linear")) if who == "serve" else relay.client("bybit:linear").open()
    assert "secret-word" not in str(raised.value)


def test_two_that_serve_different_things_under_one_name(stage: Scene) -> None:
    stage.serve([("publicTrade", ["BTCUSDT"])])
    stage.worker().subscribe()
    with pytest.raises(DbxError, match="with other topics under the prefix 'test'"):
        stage.relay.serve(stage.venue.client("linear"), [("publicTrade", ["ETHUSDT"])])
    with pytest.raises(DbxError, match="with other url under the prefix 'test'"):
        stage.relay.serve(dbxsdk.BybitPublicClient("linear", url="ws://127.0.0.1:9/other"), [("publicTrade", ["BTCUSDT"])])


def test_two_accounts_under_one_name(stage: Scene) -> None:
    stage.serve(client=stage.venue.client("private"))
    redis, keys = stage.server.client(), Keys("test", "bybit:private")
    eventually(lambda: redis.get(keys.lease) and redis.get(keys.serving))
    other = dbxsdk.BybitPrivateClient("another-key", "and-its-secret", url=stage.venue.url("/v5/private"))
    with pytest.raises(DbxError, match="with other account under the prefix 'test'"):
        stage.relay.serve(other)
    assert stage.venue.api_key.encode() not in redis.get(keys.serving)


def test_a_worker_of_another_edition(stage: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.serve()
    worker = stage.worker().subscribe()
    worker.saw(stage.send())
    monkeypatch.setattr("dbxsdk.relay.entries.FORMAT", b"0")
    with pytest.raises(DbxError, match="format.*update the older"):
        stage.worker().subscribe()
    assert "update the older" in worker.saw(dbxsdk.Disconnected).reason


def test_tls(tmp_path: pathlib.Path, stage: Scene) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    certificate.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    files = [f"{tmp_path}/{name}.pem" for name in ("cert", "key", "ca")]
    options = ["--tls-port", str(port), "--tls-cert-file", files[0], "--tls-key-file", files[1], "--tls-ca-cert-file", files[2],
               "--tls-auth-clients", "no"]
    (tmp_path / "tls").mkdir()
    with redis_server(tmp_path / "tls", *options):
        relay = dbxsdk.Relay(f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={files[2]}", prefix="test")
        stage.serve(relay=relay)
        worker = Worker(relay).subscribe()
        try:
            worker.saw(stage.send())
        finally:
            worker.client.close()
        with pytest.raises(ConnectError, match="(?i)certificate"):
            dbxsdk.Relay(f"rediss://127.0.0.1:{port}/0").client("bybit:linear").open()
        relay.close()


class Cutting:
    """Between the relay and its server: once, the answer to something that was carried out is lost."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.word = b""
        self.cut = 0
        self._sockets: List[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                upstream = socket.create_connection(("127.0.0.1", self._target))
                self._sockets += [client, upstream]
                losing = threading.Event()
                for work in ((client, upstream, losing, True), (upstream, client, losing, False)):
                    self._threads.append(threading.Thread(target=self._carry, args=work, daemon=True))
                    self._threads[-1].start()

    def _carry(self, source: socket.socket, sink: socket.socket, losing: threading.Event, outward: bool) -> None:
        with contextlib.suppress(OSError):
            while True:
                data = source.recv(65536)
                if not data:
                    break
                if outward and self.word and self.word in data:
                    self.word, self.cut = b"", self.cut + 1
                    losing.set()
                if not outward and losing.is_set():
                    break
                sink.sendall(data)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        for each in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join(2)


@pytest.fixture
def cutting(server: RedisServer) -> Iterator[Cutting]:
    proxy = Cutting(server.port)
    yield proxy
    proxy.close()


def test_an_answer_to_xadd_that_is_lost(stage: Scene, cutting: Cutting) -> None:
    served = stage.serve(relay=dbxsdk.Relay(f"redis://127.0.0.1:{cutting.port}/0", prefix="test"))
    worker = stage.worker().subscribe()
    for number in range(1, 6):
        cutting.word = b'"i":"%d"' % number
        worker.saw(stage.send())
        eventually(lambda: not cutting.word)
    last = stage.send(3)
    worker.saw(last)
    assert judge(worker.items, 1, last) == [] and cutting.cut == 5
    served.stop()


def test_a_failover_that_loses_acknowledged_entries(tmp_path: pathlib.Path, stage: Scene) -> None:
    sentinel = shutil.which("redis-sentinel")
    if sentinel is None:
        pytest.skip("there is no redis-sentinel on this machine: apt-get install redis-sentinel")
    with contextlib.ExitStack() as stack:
        for name in ("replica", "sentinel"):
            (tmp_path / name).mkdir()
        replica = stack.enter_context(redis_server(tmp_path / "replica", "--replicaof", "127.0.0.1", str(stage.server.port)))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        file = tmp_path / "sentinel" / "sentinel.conf"
        file.write_text(f"port {port}\nbind 127.0.0.1\ndir {tmp_path}/sentinel\n"
                        f"sentinel monitor main 127.0.0.1 {stage.server.port} 1\n"
                        "sentinel down-after-milliseconds main 300\nsentinel failover-timeout main 2000\n")
        process = subprocess.Popen([sentinel, str(file)], stdout=subprocess.DEVNULL)
        stack.callback(process.wait, 10)
        stack.callback(process.kill)
        eventually(lambda: replica.client().info("replication")["master_link_status"] == "up", 10)
        eventually(lambda: _knows_replica(port), 10)
        relay: Any = dbxsdk.Relay(f"redis+sentinel://127.0.0.1:{port}/main/0", prefix="test")
        served = stage.serve(relay=relay)
        worker = Worker(relay).subscribe()
        stack.callback(worker.client.close)
        worker.saw(stage.send(3))
        replica.pause()
        worker.saw(stage.send(3))
        stage.server.stop()  # with what the replica has not got
        replica.resume()
        last = stage.probe(worker, 20)
        judge(worker.items, 1, last)
        assert replica.client().info("replication")["role"] == "master"
        worker.client.close()
        served.stop()


def _knows_replica(port: int) -> bool:
    import redis

    with contextlib.suppress(redis.RedisError), redis.Redis(port=port) as client:
        return bool(client.execute_command("SENTINEL", "REPLICAS", "main"))
    return False
