"""Logins that the venue refuses: the refusal is what ends the client, whatever comes after it, and shows no secret."""

from __future__ import annotations

import json
import logging
from typing import Any, Dict

import pytest

from dbxsdk.connected_elsewhere import make_client
from dbxsdk.digifinex import DigiFinexClient
from dbxsdk.digifinex.protocol import DigiFinexProtocol
from dbxsdk.errors import AuthError
from dbxsdk.protocol import Reply
from tests.session.fake import FakeConnection, Network, fast


def refuse(then: str) -> Any:
    def answer(connection: FakeConnection, request: Dict[str, Any]) -> Any:
        if request["method"] == "server.auth":
            connection.push({"id": request["id"], "error": {"code": 6, "message": "authentication failed: sign"}, "result": None})
            if then == "hangs up":
                connection.end("the peer closed the connection")
        return None  # to all else

    return answer


@pytest.mark.parametrize("then", ["hangs up", "says nothing"])
def test_the_first_opening_tells_the_refusal(then: str) -> None:
    network = Network(refuse(then))
    arguments = {"api_key": "key", "api_secret": "secret", "url": network.url, "options": fast(request_timeout=0.3)}
    client = make_client(DigiFinexClient, network, arguments)
    try:
        with pytest.raises(AuthError, match="authentication failed"):
            client.open()
    finally:
        client.close()


KEY, SECRET = "the-api-key-4711", "the-secret-0815"


def test_a_venue_that_repeats_the_credentials(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    protocol = DigiFinexProtocol(KEY, SECRET)
    (login,) = protocol.login(1_600_000_000_000)
    signature = json.loads(login.frame)["params"][2]
    text = f"no such key {KEY} {signature}"

    def refused(request: Any) -> Any:
        document = {"id": request.key, "error": {"code": 6, "message": text}, "result": None}
        return protocol.login_answered(request, Reply(request.key, document, request.kind), 1_600_000_000_000)

    (question,) = refused(login)
    with pytest.raises(AuthError) as raised:
        time = {"id": question.key, "error": None, "result": 1_600_000_000}
        protocol.login_answered(question, Reply(question.key, time, question.kind), 1_600_000_000_000)
    shown = f"{raised.value} {raised.value!r} {raised.value.message} {caplog.text}"
    assert KEY not in shown and signature not in shown and SECRET not in shown, shown
