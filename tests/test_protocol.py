"""What the seam between the session and the venues says about a protocol, a request and an answer."""

from __future__ import annotations

from typing import Any

import pytest

import dbxsdk
from dbxsdk.protocol import Acknowledgement, Request


@pytest.mark.parametrize("make, name", [
    (lambda: dbxsdk.BybitPublicClient("linear"), "bybit:linear"),
    (lambda: dbxsdk.BybitPublicClient("option"), "bybit:option"),
    (lambda: dbxsdk.BybitPrivateClient("k", "s"), "bybit:private"),
    (lambda: dbxsdk.BybitTradeClient("k", "s"), "bybit:trade"),
    (lambda: dbxsdk.DigiFinexClient(), "digifinex"),
    (lambda: dbxsdk.DigiFinexSwapClient(), "digifinex:swap"),
    (lambda: dbxsdk.CryptomusClient("u", "k"), "cryptomus"),
    (lambda: dbxsdk.DBotDataClient("k"), "dbot:data"),
    (lambda: dbxsdk.DBotTradeClient("k"), "dbot:trade"),
])
def test_a_protocol_names_its_socket(make: Any, name: str) -> None:
    assert make()._protocol.name == name


def test_a_request_shows_neither_its_frame_nor_that_it_is_secret() -> None:
    request = Request("1", '{"args":["key"]}', "auth", secret=True)
    assert "key'" not in repr(request) and "args" not in repr(request) and "secret" not in repr(request)
    assert repr(request.frame) == "'***'"
    assert repr(Request("2", "{}", "order.create", order_link_ids=("mine",))).endswith("order_link_ids=('mine',))")


def test_an_answer_decides_nothing_unless_it_says_so() -> None:
    assert Acknowledgement() == Acknowledgement(accepted=(), refused={}, retry=(), dropped=())
