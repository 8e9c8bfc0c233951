"""Wire documents to models, and the types of trade results."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Dict, Tuple

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dbxsdk.dbot
from dbxsdk.dbot import models
from dbxsdk.dbot.trade.result_types import TYPES, types_of
from dbxsdk.errors import ProtocolError, UnreadableField

INFO = {"contract": "Tok3n", "name": "A Token", "symbol": "TOK", "decimals": 6, "icon": None, "totalSupply": None}
RESULT: Dict[str, Any] = {
    "id": "task7_buy",
    "state": "done",
    "source": "swap_order",
    "subSource": None,
    "chain": "solana",
    "block": 12,
    "hash": "H4sh",
    "createAt": 1700000000123,
    "timestamp": 1700000001,
    "wallet": "Wal1et",
    "type": "buy",
    "token": "Tok3n",
    "pair": "Pa1r",
    "symbol": "TOK",
    "send": {"info": {**INFO, "decimals": 9}, "amount": "100000000"},
    "receive": {"info": INFO, "amount": "123456789012345678901234567890123456"},
    "priceUsd": 6.9e-05,
    "dbotFee": "500",
    "something": "new",
}
FAILURE = {
    **{name: RESULT[name] for name in ("source", "subSource", "chain", "createAt", "wallet", "type", "token", "pair", "symbol")},
    "id": "task8",
    "state": "fail",
    "block": None,
    "hash": None,
    "timestamp": None,
    "errorCode": "E_OTHERS",
    "errorMessage": "simulate:AccountNotFound\n",
}


def test_trade_result() -> None:
    result = models.read_trade_result(RESULT)
    assert result.create_at_ms == 1700000000123  # ms on the wire
    assert result.timestamp_ms == 1700000001000  # seconds on the wire
    assert result.price_usd == Decimal("0.000069") and result.dbot_fee == 500
    assert result.send is not None and result.send.amount == Decimal("0.1")
    # Exactly, beyond the 28 digits of decimal arithmetic.
    assert result.receive is not None
    assert str(result.receive.amount) == "123456789012345678901234567890.123456"
    assert (result.error_code, result.error_message) == (None, None)


def test_failed_trade_result() -> None:
    result = models.read_trade_result(FAILURE)
    assert (result.state, result.send, result.receive, result.block, result.timestamp_ms) == ("fail", None, None, None, None)
    assert (result.error_code, result.error_message) == ("E_OTHERS", "simulate:AccountNotFound\n")
    assert models.read_trade_result({**FAILURE, "errorCode": 17}).error_code == "17"


@pytest.mark.parametrize("info", [None, {**INFO, "decimals": None}])
def test_an_amount_without_decimals(info: Any) -> None:
    result = models.read_trade_result({**RESULT, "send": {"info": info, "amount": 5}})
    assert result.send is not None and result.send.raw_amount == 5 and result.send.amount is None


@pytest.mark.parametrize("change, message", [
    ({"id": None}, "'id' is missing"),
    ({"state": 5}, "'state'"),
    ({"source": None}, "'source' is missing"),
    ({"createAt": "soon"}, "'createAt'"),
    ({"createAt": -1}, "'createAt'"),
    ({"timestamp": 10**30}, "'timestamp'"),
    ({"send": []}, "expected an object, not list"),
    ({"send": {"info": INFO}}, "'amount' is missing"),
    ({"send": {"info": INFO, "amount": "0.5"}}, "'amount'"),
    ({"send": {"info": {**INFO, "decimals": 10**9}, "amount": "1"}}, "'decimals'"),
    ({"priceUsd": True}, "'priceUsd'"),
])
def test_bad_trade_results(change: Dict[str, Any], message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        models.read_trade_result({**RESULT, **change})


@pytest.mark.parametrize("moment, ms", [
    (1700000000, 1700000000000),
    (1700000000123, 1700000000123),
    ("1700000000", 1700000000000),
    (1700000000.25, 1700000000250),
    (0, 0),
])
def test_times_are_told_by_their_size(moment: Any, ms: int) -> None:
    assert models.milliseconds(moment) == ms


def test_there_are_twenty_four_types() -> None:
    assert len(TYPES) == len(set(TYPES)) == 24
    assert {"swap_buy_success", "limit_sell_fail", "follow_trailing_stop_success", "swap_stop_loss_fail"} <= set(TYPES)


@pytest.mark.parametrize("change, types", [
    ({}, ("swap_buy_success",)),
    ({"type": "sell"}, ("swap_sell_success",)),
    ({"source": "limit_order"}, ("limit_buy_success",)),
    ({"source": "follow_order", "state": "fail"}, ("follow_buy_fail",)),
    ({"source": "limit_order", "subSource": "swap_take_profit"}, ("swap_take_profit_success",)),
    ({"source": "limit_order", "subSource": "follow_stop_loss", "state": "fail"}, ("follow_stop_loss_fail",)),
    ({"source": "trailing_stop_order", "subSource": "follow_trailing_stop", "type": "sell"}, ("follow_trailing_stop_success",)),
    ({"state": "expired"}, ("swap_buy_fail",)),
    # A failure whose type hides the direction.
    ({"state": "fail", "type": "fail"}, ("swap_buy_fail", "swap_sell_fail")),
    # The page of failed trailing stops shows the state "done".
    ({"state": "done", "errorCode": "E"}, ("swap_buy_success", "swap_buy_fail")),
    # Sources that are in no list follow the same pattern.
    ({"source": "snipe_order"}, ("swap_buy_success", "snipe_buy_success")),  # which of them no page says
    ({"state": "processing"}, ()),
    ({"source": "elsewhere"}, ()),
    ({"source": None}, ()),
    ({"state": None}, ()),
])
def test_types_of_results(change: Dict[str, Any], types: Tuple[str, ...]) -> None:
    assert types_of({**RESULT, **change}) == types


SWAP = {"id": "o1", "chain": "solana", "tradeType": "buy", "state": "init", "txPriceUsd": None, "errorCode": ""}


def test_swap_order() -> None:
    order = models.read_swap_order(SWAP)
    assert (order.id, order.state, order.trade_type, order.tx_price_usd, order.swap_hash) == ("o1", "init", "buy", None, None)
    assert models.read_swap_order({**SWAP, "txPriceUsd": 2.5e-05}).tx_price_usd == Decimal("0.000025")
    with pytest.raises(ProtocolError, match="'state'"):
        models.read_swap_order({"id": "o1"})


def test_transactions() -> None:
    item = {"i": "9", "t": 1700000000, "tx": "H", "d": "a dex", "ac": "W", "tt": "addLiq", "s": 1.5, "u": 200, "q": None}
    (trade,) = models.read_transactions([item])
    assert trade.time_ms == 1700000000000 and trade.type == "addLiq" and trade.quantity is None and trade.pair is None
    assert models.read_transactions([{**item, "pair": "P"}])[0].pair == "P"
    (mine,) = models.read_wallet_transactions([{**item, "m": "M", "p": "P", "bm": "B", "bs": "SOL"}])
    assert (mine.token, mine.pair, mine.base_token, mine.base_symbol) == ("M", "P", "B", "SOL")
    with pytest.raises(ProtocolError, match="'tt'"):
        models.read_transactions([{"tx": "H"}])


def test_pair_info() -> None:
    document = {"bt1m": 3, "st1m": 1, "bv1m": 0.5, "sv1m": None, "pc1m": -0.1, "bt24h": 9, "tp": 1e-06, "t10": None, "fa": True}
    info = models.read_pair_info(document)
    assert [window.interval for window in info.windows] == ["1m", "24h"]
    minute = info.window("1m")
    assert minute is not None
    assert (minute.buys, minute.sells, minute.sell_volume) == (3, 1, None)
    assert (minute.buy_volume, minute.price_change) == (Decimal("0.5"), Decimal("-0.1"))
    assert info.window("5m") is None
    assert (info.token_price, info.top10_share, info.freeze_authority, info.pair) == (Decimal("0.000001"), None, True, None)
    assert models.read_pair_info({"pair": "P", "p": None}).pair == models.read_pair_info({"p": "P"}).pair == "P"
    with pytest.raises(UnreadableField, match="PairInfo: the field 'windows' cannot be read"):
        models.read_pair_info({"bt1m": "many"}).windows  # noqa: B018


def test_new_pair() -> None:
    document = {"p": "P", "m": "M", "n": "Name", "s": "SYM", "ca": 1700000000123, "sl": 1000, "pt": "pump", "bt1m": 1}
    new = models.read_new_pair(document)
    assert (new.pair, new.token, new.name, new.symbol, new.pool_type) == ("P", "M", "Name", "SYM", "pump")
    assert (new.created_ms, new.supply, new.windows[0].buys) == (1700000000123, 1000, 1)
    with pytest.raises(ProtocolError, match="'p'"):
        models.read_new_pair({"m": "M"})
    assert models.read_migrated_pair({}).pair is None


def test_models_are_frozen_and_exported() -> None:
    assert sorted(dbxsdk.dbot.__all__) == dbxsdk.dbot.__all__
    for name in dbxsdk.dbot.__all__:
        exported = getattr(dbxsdk.dbot, name)
        if isinstance(exported, type) and attrs.has(exported):
            assert exported.__doc__
            with pytest.raises(attrs.exceptions.FrozenInstanceError):
                exported.__setattr__(exported.__new__(exported), attrs.fields(exported)[0].name, 1)


NAMES = [*sorted(RESULT), "t", "tx", "tt", "p", "bt1m"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner),
    max_leaves=12,
)


@settings(max_examples=75, deadline=None)
@given(JSON)
def test_reading_raises_protocol_errors_alone(document: Any) -> None:
    for read in (
        models.read_swap_order,
        models.read_trade_result,
        models.read_transactions,
        models.read_wallet_transactions,
        models.read_pair_info,
        models.read_new_pair,
        models.read_migrated_pair,
    ):
        try:
            read(document)
        except ProtocolError:
            pass


@given(JSON, JSON, JSON, JSON)
def test_types_never_raise(state: Any, source: Any, sub_source: Any, type_: Any) -> None:
    types_of({"state": state, "source": source, "subSource": sub_source, "type": type_})
