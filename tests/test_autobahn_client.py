"""The Autobahn client at work against a small examiner in this process: what it sends back, and what it makes of it."""

from __future__ import annotations

import json
import queue
import struct
import threading
from typing import Callable, Dict, List, Optional, Tuple
from urllib.parse import parse_qs, urlsplit

import pytest

from dbxsdk.transport import Connection
from tests.autobahn_client.__main__ import main
from tests.transport.servers import BINARY, CLOSE, PING, PONG, TEXT, Peer, Server
from tests.waiting import PATIENCE

AGENT = "an agent & more"

Case = Callable[[Peer], Optional[bool]]


def text_echo(peer: Peer) -> bool:
    """Text with a ping behind it: both are answered."""
    peer.send(TEXT, "κόσμε")
    peer.send(PING, b"still there?")
    return [peer.receive(), peer.receive()] == [(TEXT, "κόσμε".encode()), (PONG, b"still there?")] and closed(peer)


def fragmented_binary_echo(peer: Peer) -> bool:
    peer.send(BINARY, b"\x00\xff" * 40000, fin=False)
    peer.send(0, b"\xfe")
    return peer.receive() == (BINARY, b"\x00\xff" * 40000 + b"\xfe") and closed(peer)


def invalid_utf8(peer: Peer) -> bool:
    """Text before it comes back; what is no text is told with 1007."""
    peer.send(TEXT, "good")
    if peer.receive() != (TEXT, b"good"):
        return False
    peer.send(TEXT, b"\xce\xba\xed\xa0\x80")
    return peer.receive() == (CLOSE, struct.pack("!H", 1007))


def closed(peer: Peer) -> bool:
    peer.send(CLOSE, struct.pack("!H", 1000))
    opcode, payload = peer.receive()
    return opcode == CLOSE and payload[:2] == struct.pack("!H", 1000)


def never_ends(peer: Peer) -> bool:
    peer.until_end()
    return True


def not_judged(peer: Peer) -> None:
    closed(peer)


class Examiner:
    """A fuzzing server's side, with these cases. ``asked`` is every request's path and query."""

    def __init__(self, cases: Dict[str, Case], also_failed: Tuple[str, ...] = ()) -> None:
        self._cases = list(cases.items())
        self._also_failed = also_failed
        self._outcomes: "queue.Queue[Optional[bool]]" = queue.Queue()
        self.asked: List[Tuple[str, Dict[str, List[str]]]] = []

    def __call__(self, peer: Peer) -> None:
        peer.upgrade()
        target = urlsplit(peer.request_line.split()[1])
        query = parse_qs(target.query)
        self.asked.append((target.path, query))
        name, case = self._cases[int(query["case"][0]) - 1] if "case" in query else ("", never_ends)
        if target.path == "/runCase":
            self._outcomes.put(case(peer))
            return
        if target.path == "/getCaseCount":
            peer.send(TEXT, json.dumps(len(self._cases)))
        elif target.path == "/getCaseInfo":
            peer.send(TEXT, json.dumps({"id": name, "description": "..."}))
        elif target.path == "/getCaseStatus":
            good = self._outcomes.get(timeout=PATIENCE)  # the client may ask before the case's own thread is through
            if good is not None:
                peer.send(TEXT, json.dumps({"behavior": "OK" if good and name not in self._also_failed else "FAILED"}))
        assert closed(peer)


def run(examiner: Examiner, *arguments: str) -> int:
    with Server(examiner) as server:
        code = main([f"ws://127.0.0.1:{server.port}", AGENT, *arguments])
    assert not [thread for thread in threading.enumerate() if thread.name == "autobahn-client"]
    return code


def test_every_case_is_run_and_the_report_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    examiner = Examiner({"1.1.1": text_echo, "1.2.1": fragmented_binary_echo, "6.3.1": invalid_utf8})
    assert run(examiner) == 0
    run_cases = [query for path, query in examiner.asked if path == "/runCase"]
    assert run_cases == [{"case": [str(number)], "agent": [AGENT]} for number in (1, 2, 3)]
    assert examiner.asked[-1] == ("/updateReports", {"agent": [AGENT]})
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines[:3]] == [
        ["1/3", "1.1.1", "OK"], ["2/3", "1.2.1", "OK"], ["3/3", "6.3.1", "OK"]
    ]
    assert [line.split() for line in lines[4:]] == [["section", "OK"], ["1", "2"], ["6", "1"], ["all", "3"]]


def test_one_failed_case_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(Examiner({"1.1.1": text_echo, "7.1.1": text_echo}, also_failed=("7.1.1",))) == 1
    assert [line.split() for line in capsys.readouterr().out.splitlines()[-4:]] == [
        ["section", "OK", "FAILED"], ["1", "1", "0"], ["7", "0", "1"], ["all", "1", "1"]
    ]


def test_a_case_that_does_not_end_is_given_up_and_the_next_one_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(Examiner({"9.1.1": never_ends, "10.1.1": text_echo}), "--timeout", "0.7") == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[1:3] == ["9.1.1", "UNFINISHED"] and "not ended within 0.7 s" in lines[0]
    assert lines[1].split()[1:3] == ["10.1.1", "OK"]


def test_a_case_without_a_result_is_no_good_case(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(Examiner({"7.1.1": not_judged})) == 1
    assert capsys.readouterr().out.split()[1:3] == ["7.1.1", "UNFINISHED"]


def test_a_fault_of_our_own_is_not_taken_for_a_good_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Connection, "fail", None)
    with pytest.raises(TypeError):
        run(Examiner({"6.3.1": invalid_utf8}))


def test_no_server_no_cases(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(Examiner({})) == 2
    assert "no cases" in capsys.readouterr().err
    with Server(lambda peer: peer.answer("404 Not Found")) as server:
        assert main([f"ws://127.0.0.1:{server.port}", AGENT]) == 2
    assert "404" in capsys.readouterr().err
    assert main(["http://127.0.0.1", AGENT]) == 2
    assert "url must be a ws:// or wss:// URL" in capsys.readouterr().err
