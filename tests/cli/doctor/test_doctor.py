"""``dbxsdk doctor``: each thing that may stand between a client and its venue, made by a real local part."""

from __future__ import annotations

import contextlib
import datetime
import json
import signal
import socket
import ssl
import threading
import time
from email.utils import formatdate
from types import SimpleNamespace
from typing import Any, Callable, Dict, Iterator, List, Optional

import pytest
import trustme

from dbxsdk.cli.doctor.certificate import read_certificate
from dbxsdk.cli.doctor.keys import examine_keys
from dbxsdk.cli.venues import ALL_WORDS, VENUES, word
from dbxsdk.sim import BybitVenue, CryptomusVenue, DBotVenue, DigiFinexVenue
from tests.cli.command import start
from tests.cli.conftest import Done
from tests.transport.servers import CLOSE, TEXT, Peer, Server, proxy
from tests.waiting import eventually

NOW = datetime.datetime.now(datetime.timezone.utc)
DAY = datetime.timedelta(days=1)
HUSH = "hush-do-not-tell-8472"
"""Stands in every secret of these tests, and must be in no output."""


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(organization_name="Company of Tests")


@pytest.fixture(autouse=True)
def trusted(authority: trustme.CA, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one root of this machine. Reading the hundred that it has takes longer than most of these tests."""
    authority.cert_pem.write_to_path(str(tmp_path / "root.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "root.pem"))


@pytest.fixture
def doctor(dbx: Callable[..., Done]) -> Callable[..., "Findings"]:
    def examine(*arguments: str, code: int = 0) -> Findings:
        done = dbx("doctor", *arguments, "--json")
        assert HUSH not in done.out + done.err
        assert done.code == code, done
        return Findings(done)

    return examine


class Findings:
    """The documents of one run, by venue and check; ``f["tls"]`` is the one venue's."""

    def __init__(self, done: Done) -> None:
        self.err = done.err
        self.summary = done.documents[-1]
        self.checks: List[Dict[str, Any]] = done.of("check")
        assert len(self.checks) == len(done.documents) - 1
        assert {name: len([c for c in self.checks if c["outcome"] == name]) for name in self.outcomes} == self.outcomes
        for check in self.checks:
            assert bool(check["advice"]) == bool(check["cause"]) == (check["outcome"] in ("failed", "warning")), check

    @property
    def outcomes(self) -> Dict[str, int]:
        return {name: count for name, count in self.summary.items() if name != "type"}

    def of(self, venue: Optional[str]) -> Dict[str, Dict[str, Any]]:
        return {check["check"]: check for check in self.checks if check["venue"] == venue}

    def __getitem__(self, name: str) -> Dict[str, Any]:
        (found,) = [check for check in self.checks if check["venue"] and check["check"] == name]
        return found

    def causes(self) -> Dict[str, str]:
        return {check["check"]: check["cause"] for check in self.checks if check["venue"] and check["cause"]}

    def skipped(self) -> List[str]:
        return [check["check"] for check in self.checks if check["venue"] and check["outcome"] == "skipped"]


# -- nothing wrong ---------------------------------------------------------------------------------------------------


def test_all_venues_locally(doctor):
    found = doctor("--local")
    assert list(found.of(None)) == ["python", "packages", "openssl", "roots", "threads", "descriptors"]
    assert list(dict.fromkeys(check["venue"] for check in found.checks)) == [None, *ALL_WORDS]
    for name in ALL_WORDS:
        checks = found.of(name)
        assert [checks[each]["outcome"] for each in ("proxy", "dns", "tcp", "handshake", "ping", "clock")] == ["ok"] * 6
        assert ("login" in checks) == (name in ("bybit:private", "bybit:trade", "digifinex", "digifinex:swap"))
        assert ("token" in checks) == (name == "cryptomus")
        assert checks["dns"]["figures"]["addresses"] == ["127.0.0.1"] and checks["ping"]["figures"]["ms"] > 0
        assert checks["clock"]["figures"]["skew_ms"] == 0, "it is the same clock, however coarsely it is told"
    assert found.of("bybit:trade")["clock"]["figures"]["source"] == "the venue's pong"
    assert found.of("digifinex")["clock"]["figures"]["source"] == "server.time"


def test_lines_for_people(dbx):
    done = dbx("doctor", "digifinex", "--local")
    lines = done.out.splitlines()
    assert done.code == 0 and done.err == ""
    assert lines[0].startswith("this machine   ok       python       ")
    handshake = "digifinex      ok       handshake    the venue accepts WebSocket connections, "
    assert any(line.startswith(handshake) for line in lines)
    assert lines[-1].endswith(" ok, 0 warning, 0 failed, 2 skipped")


def test_nothing_is_ordered_and_nothing_subscribed(doctor, monkeypatch):
    with DigiFinexVenue(api_key=HUSH, api_secret=HUSH + "-2") as venue:
        keys(monkeypatch, digifinex=(HUSH, HUSH + "-2"))
        assert doctor("digifinex", "--url", venue.url())["key"]["outcome"] == "ok"
        assert {each.document["method"] for each in venue.requests} <= {"server.auth", "server.ping", "server.time"}
    with DBotVenue(api_key=HUSH) as dbot:
        keys(monkeypatch, dbot=(HUSH,))
        assert doctor("dbot:data", "--url", dbot.url("/data/ws/"))["ping"]["outcome"] == "ok"
        assert dbot.requests == [] and dbot.connection_count == 2


def test_no_venue_named_means_those_that_can_be_examined(doctor, monkeypatch):
    keys(monkeypatch, dbot=(HUSH,))
    monkeypatch.setenv("BYBIT_API_KEY", HUSH)  # half a pair is told, too
    found = doctor("--proxy", closed_proxy(), "--timeout", "3", code=1)
    assert {check["venue"] for check in found.checks} == {None, *ALL_WORDS} - {"cryptomus"}
    assert found.of("bybit:private")["key"]["message"] == "BYBIT_API_SECRET is not set"
    assert found.of("dbot:trade")["key"]["outcome"] == "ok" and "key" not in found.of("bybit:spot")
    found = doctor("--testnet", "--proxy", closed_proxy(), code=1)
    assert {(check["venue"] or "bybit").partition(":")[0] for check in found.checks} == {"bybit"}


# -- the way to the venue --------------------------------------------------------------------------------------------


def test_a_name_that_is_not_found(doctor):
    found = doctor("digifinex", "--url", "ws://venue.invalid/", code=1)
    assert found.causes() in ({"dns": "name_not_found"}, {"dns": "dns_failed"})  # the latter where there is no DNS at all
    assert found["tcp"]["message"] == "not tried, since dns failed"
    assert found.skipped() == ["key", "tcp", "tls", "handshake", "ping", "clock"]


def test_a_resolver_that_does_not_end(doctor, monkeypatch):
    ended = threading.Event()

    def resolve(*_: Any) -> Any:  # in place of a DNS server that swallows questions: only the system could be told of one
        assert ended.wait(5)
        raise socket.gaierror(socket.EAI_AGAIN, "too late")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    found = doctor("digifinex", "--url", "ws://venue.invalid/", "--timeout", "0.1", code=1)
    ended.set()
    eventually(lambda: not [thread for thread in threading.enumerate() if thread.name == "dbxsdk-doctor-resolver"])
    assert found.causes() == {"dns": "dns_timed_out"} and "/etc/resolv.conf" in found["dns"]["advice"]


def test_nobody_listens(doctor):
    found = doctor("digifinex", "--url", f"ws://127.0.0.1:{closed_port()}/", code=1)
    assert found.causes() == {"tcp": "refused"} and "check the port" in found["tcp"]["advice"]


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="a full backlog swallows connections on POSIX alone")
def test_a_network_that_swallows_everything(doctor):
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(8):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        found = doctor("digifinex", "--url", f"ws://127.0.0.1:{listener.getsockname()[1]}/", "--timeout", "0.2", code=1)
    assert found.causes() == {"tcp": "timed_out"} and "firewall" in found["tcp"]["advice"]


@pytest.mark.parametrize("scheme, check", [("ws", "handshake"), ("wss", "tls")])
def test_a_peer_that_says_nothing(doctor, scheme, check):
    started = time.monotonic()
    with Server(Peer.until_end) as server:
        found = doctor("digifinex", "--url", f"{scheme}://127.0.0.1:{server.port}/", "--timeout", "0.2", code=1)
    assert found.causes() == {check: "timed_out"}
    assert time.monotonic() - started < 3


@pytest.mark.parametrize("script, cause", [
    (lambda peer: peer.read_head(), "ended"),
    (lambda peer: peer.raw.sendall(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), "no_websocket"),
])
def test_a_peer_that_is_no_websocket(doctor, script, cause):
    with Server(script) as server:
        assert doctor("digifinex", "--url", server.url, code=1).causes() == {"handshake": cause}


@pytest.mark.parametrize("says", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"], ids=["nothing", "400"])
def test_tls_to_a_port_without_it(doctor, says):
    def serve(peer: Peer) -> None:
        peer.read(5)
        peer.raw.sendall(says)

    with Server(serve) as server:
        found = doctor("digifinex", "--url", server.url.replace("ws:", "wss:"), code=1)
    assert found.causes() == {"tls": "tls_failed"} and "ws://" in found["tls"]["advice"]


# -- proxies ---------------------------------------------------------------------------------------------------------


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def closed_proxy() -> str:
    return f"http://127.0.0.1:{closed_port()}"


def test_through_a_proxy(doctor, monkeypatch):
    with DigiFinexVenue(hosts="venue.invalid") as venue, Server(proxy(port_of(venue), [], credentials=f"me:{HUSH}")) as between:
        url = f"http://me:{HUSH}@127.0.0.1:{between.port}"
        shown = f"http://***@127.0.0.1:{between.port}"
        given = doctor("digifinex", "--url", "ws://venue.invalid/ws/v1/", "--proxy", url)
        assert given["proxy"]["message"] == f"{shown} by --proxy" and given["tunnel"]["outcome"] == "ok"
        assert given["ping"]["outcome"] == "ok"
        monkeypatch.setenv("HTTP_PROXY", url)
        monkeypatch.setenv("no_proxy", "other.example")
        told = doctor("digifinex", "--url", "ws://venue.invalid/ws/v1/")
        assert told["proxy"]["message"] == f"{shown} by HTTP_PROXY" and told["ping"]["outcome"] == "ok"
        monkeypatch.setenv("no_proxy", "venue.invalid")
        assert doctor("digifinex", "--url", "ws://venue.invalid/", code=1)["proxy"]["message"] == "none: no_proxy"
        assert doctor("digifinex", "--url", "ws://venue.invalid/", "--proxy", "", code=1)["proxy"]["message"] == "none: --proxy"


def test_the_password_of_a_proxy_need_not_stand_in_the_list_of_processes(doctor, monkeypatch):
    venue = DigiFinexVenue(hosts=["venue.invalid"])
    with venue, Server(proxy(port_of(venue), [], credentials=f"me:{HUSH}@")) as between:
        arguments = ("digifinex", "--url", "ws://venue.invalid/ws/v1/", "--proxy")
        monkeypatch.setenv("DBXSDK_PROXY_PASSWORD", f"{HUSH}@")
        found = doctor(*arguments, f"http://me@127.0.0.1:{between.port}")
        assert found["tunnel"]["outcome"] == "ok" and "list of processes" not in found.err
        monkeypatch.delenv("DBXSDK_PROXY_PASSWORD")
        monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
        monkeypatch.setattr("getpass.getpass", lambda prompt: f"{HUSH}@")
        assert doctor(*arguments, f"http://me@127.0.0.1:{between.port}")["tunnel"]["outcome"] == "ok"
        monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: False))
        assert doctor(*arguments, f"http://me@127.0.0.1:{between.port}", code=1).causes() == {"tunnel": "proxy_needs_password"}
        warned = doctor(*arguments, f"http://me:{HUSH}%40@127.0.0.1:{between.port}")
        assert "the list of processes shows the proxy's password; set DBXSDK_PROXY_PASSWORD" in warned.err


@pytest.mark.parametrize("answer, cause", [
    ("407 Proxy Authentication Required", "proxy_needs_password"), ("403 Forbidden", "proxy_refused"),
])
def test_a_proxy_that_refuses(doctor, answer, cause):
    with Server(proxy(1, [], answer=answer)) as between:
        proxied = f"http://me:{HUSH}@127.0.0.1:{between.port}"
        found = doctor("digifinex", "--url", "wss://venue.invalid/", "--proxy", proxied, code=1)
    assert found.causes() == {"tunnel": cause} and found["tunnel"]["figures"]["status"] == int(answer[:3])
    assert found["tcp"]["outcome"] == "ok" and found["tls"]["outcome"] == "skipped"


def test_a_proxy_that_is_not_there_or_no_url(doctor, monkeypatch):
    assert doctor("bybit", "--proxy", closed_proxy(), code=1).causes() == {"tcp": "refused"}
    monkeypatch.setenv("https_proxy", f"ftp://me:{HUSH}@host:1")
    found = doctor("bybit", code=1)
    assert found.causes() == {"proxy": "bad_proxy"} and "the proxy of https_proxy cannot be used" in found["proxy"]["message"]


def test_a_socks_proxy_that_refuses(doctor):
    def script(peer: Peer) -> None:
        peer.read(4)
        peer.raw.sendall(b"\x05\xff")

    with Server(script) as between:
        found = doctor("bybit", "--proxy", f"socks5h://me:{HUSH}@127.0.0.1:{between.port}", code=1)
    assert found.causes() == {"tunnel": "proxy_failed"} and "another login" in found["tunnel"]["message"]


# -- certificates ----------------------------------------------------------------------------------------------------


def server_context(authority: trustme.CA, *names: str, **dates: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, **dates).configure_cert(context)
    return context


def test_over_tls(doctor, authority):
    until = (NOW + 90 * DAY).replace(microsecond=0)
    context = server_context(authority, "127.0.0.1", not_after=until)
    with DigiFinexVenue(ssl_context=context) as venue:
        found = doctor("digifinex", "--url", venue.url())
    figures = found["tls"]["figures"]
    assert figures["version"] in ("TLSv1.2", "TLSv1.3") and figures["cipher"]
    assert "Company of Tests" in figures["issuer"] and figures["valid_until"] == f"{until:%Y-%m-%d %H:%M} UTC"
    assert f"good until {until:%Y-%m-%d %H:%M} UTC" in found["tls"]["message"]
    assert found.of(None)["roots"]["figures"]["count"] == 1


BAD_CERTIFICATES = {
    "certificate_expired": (("127.0.0.1",), {"not_before": NOW - 9 * DAY, "not_after": NOW - DAY}, "date"),
    "certificate_not_yet_valid": (("127.0.0.1",), {"not_before": NOW + DAY, "not_after": NOW + 9 * DAY}, "probably behind"),
    "certificate_of_another_host": (("venue.example",), {}, "check the host name"),
    "certificate_not_trusted": (("127.0.0.1",), {}, "SSL_CERT_FILE"),
}


@pytest.mark.parametrize("cause", BAD_CERTIFICATES)
@pytest.mark.parametrize("proxied", [False, True], ids=["direct", "proxied"])
def test_a_certificate_that_is_refused(doctor, authority, tmp_path, monkeypatch, cause, proxied):
    names, dates, advice = BAD_CERTIFICATES[cause]
    if cause == "certificate_not_trusted":
        trustme.CA().cert_pem.write_to_path(str(tmp_path / "another.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "another.pem"))
    with Server(Peer.until_end, server_context(authority, *names, **dates)) as server, contextlib.ExitStack() as stack:
        more: List[str] = []
        if proxied:
            between = stack.enter_context(Server(proxy(server.port, [])))
            more = ["--proxy", f"http://127.0.0.1:{between.port}"]
        found = doctor("digifinex", "--url", server.url, *more, code=1)
    assert found.causes() == {"tls": cause} and advice in found["tls"]["advice"]
    assert "Company of Tests" in found["tls"]["figures"]["issuer"], "whoever issued it is told, trusted or not"
    assert "this machine's clock says" in found["tls"]["message"] and found["handshake"]["outcome"] == "skipped"


def test_certificates_are_read_as_python_reads_them(monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    context = ssl.create_default_context()
    all_known = context.get_ca_certs()
    for number, der in enumerate(context.get_ca_certs(binary_form=True)):
        known = all_known[number]
        certificate = read_certificate(der)
        assert certificate is not None
        assert certificate.valid_until.timestamp() == ssl.cert_time_to_seconds(known["notAfter"])
        assert certificate.valid_from.timestamp() == ssl.cert_time_to_seconds(known["notBefore"])
        names = dict(pair for group in known["issuer"] for pair in group)
        assert names.get("commonName", "") in certificate.issuer and names.get("organizationName", "") in certificate.issuer
        for end in range(0, len(der) - 1, 97):
            assert read_certificate(der[:end]) is None
    if not all_known:
        pytest.skip("this machine has no root certificates")


# -- what the venue says ---------------------------------------------------------------------------------------------


def port_of(venue: Any) -> int:
    return int(venue.url().split(":")[2].split("/")[0])


def keys(monkeypatch: pytest.MonkeyPatch, **values: Any) -> None:
    for venue, given in values.items():
        for number, name in enumerate(VENUES[venue].variables.values()):
            monkeypatch.setenv(name, given[number])


@pytest.mark.parametrize("status, advice", [
    (401, "does not accept the key"),
    (403, "refuses the key or this address"),
    (404, "check the URL"),
    (429, "Too many connections"),
    (503, "being maintained"),
    (301, "check the URL"),
    (200, "check the URL"),
])
def test_a_handshake_that_is_refused(doctor, monkeypatch, status, advice):
    keys(monkeypatch, dbot=(HUSH,))
    headers = ("Retry-After: 7", "Location: ws://127.0.0.1:1/", f"Date: {formatdate(usegmt=True)}")
    with Server(lambda peer: peer.answer(f"{status} No", *headers)) as server:
        found = doctor("dbot", "--url", server.url, code=1)
        assert server.accepted == 1
    assert found.causes() == {"handshake": f"http_{status}"} and advice in found["handshake"]["advice"]
    assert found["handshake"]["figures"]["status"] == status
    assert "a pause of 7 s" in found["handshake"]["message"]
    assert found.skipped() == ["tls", "ping"] and found["clock"]["outcome"] == "ok", "a refusal has a date, too"


@pytest.mark.parametrize("which, path", [("bybit:private", "/v5/private"), ("bybit:trade", "/v5/trade")])
def test_a_login_that_is_refused(doctor, monkeypatch, which, path):
    keys(monkeypatch, bybit=(HUSH, HUSH + "-2"))
    with BybitVenue() as venue:
        found = doctor(which, "--url", venue.url(path), code=1)
    assert found.causes() == {"login": "login_refused"} and "key and secret" in found["login"]["advice"]
    assert found["ping"]["message"] == "not tried, since login failed" and found["clock"]["outcome"] == "ok"


def test_a_venue_that_repeats_the_key_in_its_words(doctor, monkeypatch):
    keys(monkeypatch, digifinex=(HUSH, HUSH + "-2"))

    def refuse(peer: Peer) -> None:
        peer.upgrade()
        while True:
            opcode, payload = peer.receive()
            if opcode == CLOSE:
                return
            request = json.loads(payload)
            said = f"no such key: {request['params'][0]}\x1b[2J" if request["params"] else "no time for you"
            peer.send(TEXT, json.dumps({"id": request["id"], "result": None, "error": {"code": 10001, "message": said}}))

    with Server(refuse) as server:
        found = doctor("digifinex", "--url", server.url, code=1)
    assert found.causes() == {"login": "login_refused"} and "no such key: ***" in found["login"]["message"]


def test_a_token_that_is_refused(doctor, monkeypatch):
    keys(monkeypatch, cryptomus=("6b5ad1ac-8a5c-4b3f-9d4b-5b1c1a7f1e11", HUSH))
    with CryptomusVenue() as venue:
        found = doctor("cryptomus", "--url", venue.url(), "--token-url", venue.token_url(), code=1)
        assert found.causes() == {"token": "token_refused"} and found["handshake"]["outcome"] == "skipped"
        nowhere = f"http://127.0.0.1:{closed_port()}/token"
        found = doctor("cryptomus", "--url", venue.url(), "--token-url", nowhere, code=1)
    assert found.causes() == {"token": "token_host_failed"} and "another host" in found["token"]["advice"]


def test_a_venue_that_does_not_answer(doctor):
    with DigiFinexVenue() as venue:
        venue.go_silent()
        found = doctor("digifinex", "--url", venue.url(), "--timeout", "0.3", code=1)
    assert found.causes() == {"ping": "no_answer"} and found["handshake"]["outcome"] == "ok"
    assert found["clock"]["figures"]["source"] == "HTTP's Date"


# -- clocks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds, outcome, told", [
    (3600, "failed", "3,600.0 s behind"), (-4, "warning", "4.0 s ahead of"), (0.4, "ok", "agrees"),
])
def test_a_clock_that_is_off_by_the_venues_pong(doctor, monkeypatch, seconds, outcome, told):
    keys(monkeypatch, bybit=(HUSH, HUSH + "-2"))
    with BybitVenue(api_key=HUSH, api_secret=HUSH + "-2") as venue:
        venue.clock_skew(seconds)
        found = doctor("bybit:trade", "--url", venue.url("/v5/trade"), code=1 if outcome == "failed" else 0)
    assert found["clock"]["outcome"] == outcome and told in found["clock"]["message"]
    assert found["login"]["outcome"] == "ok", "the client signs with the venue's time"
    assert abs(found["clock"]["figures"]["skew_ms"] - seconds * 1000) < 300


def test_a_clock_that_is_off_by_server_time(doctor):
    with DigiFinexVenue(clock=lambda: time.time() + 5) as venue:
        found = doctor("digifinex", "--url", venue.url())
    assert found["clock"]["outcome"] == "warning" and "behind the venue's (server.time)" in found["clock"]["message"]


def test_a_clock_that_is_off_by_a_refusals_date(doctor):
    with Server(lambda peer: peer.answer("503 Closed", "Date: Tue, 15 Nov 1994 08:12:31 GMT")) as server:
        found = doctor("digifinex", "--url", server.url, code=1)
    assert found.causes() == {"handshake": "http_503", "clock": "clock_off"}
    assert "ahead of the venue's (HTTP's Date)" in found["clock"]["message"]
    with Server(lambda peer: peer.answer("503 Closed", "Date: never")) as server:
        assert doctor("digifinex", "--url", server.url, code=1)["clock"]["message"] == "the venue did not send its time"


# -- keys ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value, told", [
    ("", "is not set"),
    (f" {HUSH}", "has blanks or a line end around it"),
    (f"{HUSH}\n", "has blanks or a line end around it"),
    ("'" + HUSH + "'", "has quotes around it"),
    (f'{HUSH}"', "has quotes around it"),
    (f"{HUSH} {HUSH}", "has blanks or line ends in it"),
    (f"{HUSH}\r\nmore", "has blanks or line ends in it"),
    (f"{HUSH}\u200b", "has characters in it that no key has"),
    (f"-----BEGIN PRIVATE KEY-----\n{HUSH}", "holds a whole key file"),
    ("your-api-key", "is a placeholder from an example"),
    ("xxxxxxxx", "is a placeholder from an example"),
], ids=["unset", "before", "after", "quoted", "half quoted", "blank", "two lines", "no ASCII", "PEM", "yours", "xxx"])
def test_keys_that_do_not_look_like_keys(doctor, monkeypatch, value, told):
    monkeypatch.setenv("DBOT_API_KEY", value)
    received: List[bytes] = []
    with Server(lambda peer: received.append(peer.until_end())) as server:
        found = doctor("dbot", "--url", server.url, code=1)
        assert server.finished.acquire(timeout=5)
    assert received == [b""], "what is no key goes to nobody"
    assert found["key"]["outcome"] == "failed" and found["key"]["message"].startswith(f"DBOT_API_KEY {told}")
    assert found["tcp"]["outcome"] == "ok", "the way to the venue is examined all the same"
    assert found["handshake"]["message"] == found["ping"]["message"] == "it needs a key, and no plausible one is set"


def test_pairs_of_keys(monkeypatch):
    keys(monkeypatch, bybit=(HUSH, HUSH), cryptomus=("me", HUSH), digifinex=(HUSH, "short"))
    told = {name: examine_keys(word(name))[0] for name in ("bybit:trade", "cryptomus", "digifinex", "dbot")}
    assert told["bybit:trade"].outcome == "failed" and told["bybit:trade"].message.endswith("_SECRET hold the same")
    assert told["cryptomus"].outcome == "warning" and "not a UUID" in told["cryptomus"].message
    assert (told["digifinex"].outcome, told["digifinex"].message) == ("warning", "DIGIFINEX_API_SECRET is shorter than keys are")
    assert HUSH not in repr(told)


def test_without_a_key_the_rest_is_examined(doctor):
    with BybitVenue() as venue:
        found = doctor("bybit:private", "--url", venue.url("/v5/private"), code=1)
    assert found.causes() == {"key": "key_missing"} and found["handshake"]["outcome"] == "ok"
    assert found.skipped() == ["tls", "login", "ping"] and found["clock"]["outcome"] == "ok"


# -- the command itself ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments, said", [
    (["binance"], "argument VENUE: must be one of bybit:linear"),
    (["--url", "ws://127.0.0.1:1/"], "argument --url: name the VENUE"),
    (["bybit", "digifinex", "--url", "ws://127.0.0.1:1/"], "argument --url: one socket's address"),
    (["digifinex", "--url", "http://127.0.0.1:1/"], "url must be a ws:// or wss:// URL"),
    (["digifinex", "--testnet"], "argument --testnet: digifinex has no test network"),
    (["--local", "--proxy", "http://127.0.0.1:1"], "argument --proxy: a local venue needs none"),
    (["bybit", "--proxy", f"ftp://me:{HUSH}@host:1"], "argument --proxy: must be a URL like http://host:3128"),
    (["bybit", "--timeout", "0"], "argument --timeout"),
])
def test_wrong_arguments(dbx, arguments, said):
    done = dbx("doctor", *arguments)
    assert (done.code, done.out) == (2, "") and said in done.err and HUSH not in done.err


def test_a_machine_that_starts_no_more_threads(doctor, monkeypatch):
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    found = doctor("bybit", code=1)
    assert found.of(None)["threads"]["cause"] == "no_threads"
    assert found["connection"]["message"] == "without threads no client can work"


@pytest.fixture
def silent() -> Iterator[Server]:
    with Server(Peer.until_end) as server:
        yield server


def test_ctrl_c(silent):
    process = start("doctor", "digifinex", "--url", silent.url, "--timeout", "60")
    with process:
        assert process.stdout is not None
        for line in process.stdout:
            if " tcp " in line:
                break
        pressed = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    assert process.returncode == 130 and "Traceback" not in err
    assert time.monotonic() - pressed < 5
