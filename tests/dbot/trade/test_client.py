"""``DBotTradeClient``: what its methods send, and the client against the local venue."""

from __future__ import annotations

import inspect
import logging
from decimal import Decimal
from typing import Any, Dict, Iterator, List, Tuple

import pytest

import dbxsdk
from dbxsdk import BadFrame, Disconnected, Gap, Options, State
from dbxsdk.dbot import TRADE_URL, DBotTradeClient, TradeResult
from dbxsdk.sim.dbot.venue import DBotVenue
from tests.waiting import PATIENCE, Background, Recorder, eventually

KEY = "a-key-that-nobody-may-see"


@pytest.fixture
def venue() -> Iterator[DBotVenue]:
    with DBotVenue(rate=0) as made:
        yield made


@pytest.fixture
def client(venue: DBotVenue) -> Iterator[DBotTradeClient]:
    with venue.client("trade") as made:
        yield made


# -- construction ------------------------------------------------------------------------------------------------------


def test_the_address_is_the_documented_one() -> None:
    client = DBotTradeClient(KEY)
    assert client._address.url == TRADE_URL == "wss://api-bot-v1.dbotx.com/trade/ws/"
    assert dict(client._address.headers) == {"x-api-key": KEY}
    assert KEY not in repr(client) + repr(client._address)


@pytest.mark.parametrize("arguments, error, message", [
    ({"api_key": ""}, ValueError, "api_key must not be empty"),
    ({"api_key": f"{KEY}\r\nx: y"}, ValueError, "api_key must not be empty, and must be printable"),
    ({"api_key": 5}, TypeError, "api_key must be a str"),
    ({"api_key": KEY, "url": "http://x"}, ValueError, "url must be"),
    ({"api_key": KEY, "options": {}}, TypeError, "options must be"),
    ({"api_key": KEY, "options": Options(heartbeat_interval=56)}, ValueError, "heartbeat_interval must be at most 55 s"),
])
def test_wrong_construction(arguments: Dict[str, Any], error: Any, message: str) -> None:
    with pytest.raises(error, match=message) as raised:
        DBotTradeClient(**arguments)
    assert KEY not in str(raised.value)


# -- what methods send -------------------------------------------------------------------------------------------------


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> List[Any]:
    made: List[Any] = []

    def call(self: Any, method: str, params: Any = None, *, timeout: Any = None) -> Any:
        made.append((method, params, timeout))
        return {"id": "o", "state": "init"} if method == "getSwapOrder" else []

    monkeypatch.setattr(DBotTradeClient, "call", call)
    return made


SWAP = {"chain": "solana", "pair": "P", "wallet_id": "w", "type": "buy", "amount_or_percent": "0.1"}
SWAP_SENT = {"chain": "solana", "pair": "P", "walletId": "w", "type": "buy", "amountOrPercent": Decimal("0.1")}
LIMIT = {"tradeType": "buy", "triggerPriceUsd": 0.00001, "triggerDirection": "down", "currencyAmountUI": 1, "enabled": True}
LIMIT_SENT = {**LIMIT, "triggerPriceUsd": "0.00001", "currencyAmountUI": "1"}
FOLLOW = {"enabled": True, "name": "my task", "chain": "solana", "target_ids": ["T"], "wallet_id": "w"}
FOLLOW_SENT = {"enabled": True, "name": "my task", "chain": "solana", "targetIds": ["T"], "walletId": "w"}
SNIPE = {"enabled": True, "chain": "solana", "token": "T", "wallet_id": "w", "expire_delta": 1000}
SNIPE_SENT = {"enabled": True, "chain": "solana", "token": "T", "walletId": "w", "expireDelta": 1000}
DEV = {"chain": "solana", "pair_type": "pump", "pair": "P", "wallet_id": "w", "trade_type": "sell",
       "min_dev_sell_percent": 0.5, "amount_or_percent": 1}
DEV_SENT = {"chain": "solana", "pairType": "pump", "pair": "P", "walletId": "w", "tradeType": "sell",
            "minDevSellPercent": Decimal("0.5"), "amountOrPercent": 1}
PAGE = {"page": 0, "size": 20}
EXECUTION = {
    "custom_fee_and_tip": True, "priority_fee": 1e-05, "gas_fee_delta": 5, "max_fee_per_gas": 100, "jito_enabled": False,
    "jito_tip": "0.001", "max_slippage": 0.1, "concurrent_nodes": 2, "retries": 1,
}
EXECUTION_SENT = {
    "customFeeAndTip": True, "priorityFee": "0.00001", "gasFeeDelta": 5, "maxFeePerGas": 100, "jitoEnabled": False,
    "jitoTip": Decimal("0.001"), "maxSlippage": Decimal("0.1"), "concurrentNodes": 2, "retries": 1,
}
EXIT_ARGUMENTS = {
    "stop_earn_percent": 1, "stop_loss_percent": 0.5, "stop_earn_group": [{"pricePercent": "0.5", "amountPercent": 1}],
    "stop_loss_group": [{"pricePercent": 0.2}], "trailing_stop_group": [{"pricePercent": 0.1, "activePricePercent": 1}],
    "pnl_order_expire_delta": 43200000, "pnl_order_expire_execute": False, "pnl_order_use_mid_price": True,
}
EXITS_SENT = {
    "stopEarnPercent": 1, "stopLossPercent": Decimal("0.5"),
    "stopEarnGroup": [{"pricePercent": Decimal("0.5"), "amountPercent": 1}], "stopLossGroup": [{"pricePercent": Decimal("0.2")}],
    "trailingStopGroup": [{"pricePercent": Decimal("0.1"), "activePricePercent": 1}],
    "pnlOrderExpireDelta": 43200000, "pnlOrderExpireExecute": False, "pnlOrderUseMidPrice": True,
}

METHODS: List[Tuple[str, Tuple[Any, ...], Dict[str, Any], str, Any]] = [
    ("create_swap_order", (), SWAP, "createSwapOrder", SWAP_SENT),
    ("create_swap_order", (), {**SWAP, **EXECUTION, **EXIT_ARGUMENTS}, "createSwapOrder",
     {**SWAP_SENT, **EXECUTION_SENT, **EXITS_SENT}),
    ("create_swap_order", (), {**SWAP, "priority_fee": "", "jitoTip": None, "maxSlippage": "0.1", "jito_enabled": None},
     "createSwapOrder", {**SWAP_SENT, "priorityFee": "", "jitoTip": None, "maxSlippage": Decimal("0.1")}),
    ("create_swap_order", (), {**SWAP, "extra": {"jitoTip": None, "maxSlippage": "0.1", "newField": [1]}}, "createSwapOrder",
     {**SWAP_SENT, "jitoTip": None, "maxSlippage": Decimal("0.1"), "newField": [1]}),
    ("create_swap_order", (), {**SWAP, "migrate_sell_percent": 1, "pnl_custom_config": {"retries": 2}}, "createSwapOrder",
     {**SWAP_SENT, "migrateSellPercent": 1, "pnlCustomConfig": {"retries": 2}}),
    ("create_swap_orders_multi_wallet", (), {**{k: v for k, v in SWAP.items() if k != "wallet_id"}, "wallet_id_list": ["w", "v"]},
     "createSwapOrdersMultiWallet", {**{k: v for k, v in SWAP_SENT.items() if k != "walletId"}, "walletIdList": ["w", "v"]}),
    ("get_swap_order", ("o",), {}, "getSwapOrder", {"orderId": "o"}),
    ("get_swap_orders", (["o", "p"],), {}, "getSwapOrders", {"ids": ["o", "p"]}),
    ("create_limit_order", (), {"chain": "solana", "pair": "P", "wallet_id": "w", "group_id": "g", "settings": [LIMIT]},
     "createLimitOrder", {"chain": "solana", "pair": "P", "walletId": "w", "groupId": "g", "settings": [LIMIT_SENT]}),
    ("update_limit_order", ("o",), {}, "updateLimitOrder", {"id": "o"}),
    ("update_limit_order", ("o",), {"enabled": False, "group_id": "g", "trigger_price_usd": Decimal("3.50"),
                                    "trigger_direction": "up", "currency_amount_ui": "1.5", **EXECUTION},
     "updateLimitOrder", {"id": "o", "enabled": False, "groupId": "g", "triggerPriceUsd": "3.50", "triggerDirection": "up",
                          "currencyAmountUI": Decimal("1.5"), **EXECUTION_SENT}),
    ("list_limit_orders", (), {}, "listLimitOrders", PAGE),
    ("list_limit_orders", (), {"page": 1, "size": 5, "chain": "bsc", "state": "init", "group_id": "g", "token": "T"},
     "listLimitOrders", {"page": 1, "size": 5, "chain": "bsc", "state": "init", "groupId": "g", "token": "T"}),
    ("delete_limit_orders", (["o"],), {}, "deleteLimitOrders", {"ids": ["o"]}),
    ("delete_all_limit_orders", (), {}, "deleteAllLimitOrders", None),
    ("create_or_update_follow_order", (), FOLLOW, "createOrUpdateFollowOrder", FOLLOW_SENT),
    ("create_or_update_follow_order", (),
     {**FOLLOW, "id": "f", "buy_settings": {"enabled": True, "startHour": 10, "maxSlippage": "0.1"},
      "sell_settings": {"mode": "mixed"}, "dex_filter": ["pump"], "token_blacklist": ["B"], "group_id": "g"},
     "createOrUpdateFollowOrder",
     {**FOLLOW_SENT, "id": "f", "buySettings": {"enabled": True, "startHour": 10, "maxSlippage": Decimal("0.1")},
      "sellSettings": {"mode": "mixed"}, "dexFilter": ["pump"], "tokenBlacklist": ["B"], "groupId": "g"}),
    ("update_follow_order", ("f", True), {}, "updateFollowOrder", {"id": "f", "enabled": True, "closePnlOrder": False}),
    ("update_follow_order", ("f", False, True), {}, "updateFollowOrder", {"id": "f", "enabled": False, "closePnlOrder": True}),
    ("batch_toggle_follow_order", (["f"], False), {"close_pnl_order": True}, "batchToggleFollowOrder",
     {"ids": ["f"], "enabled": False, "closePnlOrder": True}),
    ("batch_update_follow_order", (["f"], "w"), {}, "batchUpdateFollowOrder", {"ids": ["f"], "walletId": "w"}),
    ("list_follow_orders", (), {"chain": "solana"}, "listFollowOrders", {**PAGE, "chain": "solana"}),
    ("delete_follow_orders", (("f", "g"),), {}, "deleteFollowOrders", {"ids": ["f", "g"]}),
    ("list_trailing_stop_orders", ("swap_order",), {"source_id": "o", "token": "T", "chain": "c", "state": "s"},
     "listTrailingStopOrders", {**PAGE, "source": "swap_order", "sourceId": "o", "token": "T", "chain": "c", "state": "s"}),
    ("delete_all_trailing_stop_orders", ("follow_order",), {}, "deleteAllTrailingStopOrders", {"source": "follow_order"}),
    ("list_pnl_orders_from_follow_order", (), {"source_id": "f", "state": "expired"}, "listPnlOrdersFromFollowOrder",
     {**PAGE, "sourceId": "f", "state": "expired"}),
    ("list_migrate_orders", ("swap_order",), {"chain": "solana"}, "listMigrateOrders",
     {**PAGE, "source": "swap_order", "chain": "solana"}),
    ("list_migrate_orders", ("manual",), {}, "listMigrateOrders", {**PAGE, "source": "manual"}),
    ("delete_migrate_orders", (["m"],), {}, "deleteMigrateOrders", {"ids": ["m"]}),
    ("list_pnl_orders_from_swap_order", (), {"source_id": "o", "token": "T", "state": "done", "chain": "c", "page": 1, "size": 5},
     "listPnlOrdersFromSwapOrder", {"page": 1, "size": 5, "sourceId": "o", "token": "T", "state": "done", "chain": "c"}),
    ("list_snipe_orders", (), {"state": "init", "chain": "c"}, "listSnipeOrders", {**PAGE, "state": "init", "chain": "c"}),
    ("list_dev_orders", ("manual",), {"state": "init", "page": None}, "listDevOrders",
     {**PAGE, "source": "manual", "state": "init"}),
    ("delete_dev_order", ("d",), {}, "deleteDevOrder", {"id": "d"}),
    ("create_snipe_order", (), {**SNIPE, "buy_settings": {"buyAmountUI": 0.1, "customFeeAndTip": False}}, "createSnipeOrder",
     {**SNIPE_SENT, "buySettings": {"buyAmountUI": "0.1", "customFeeAndTip": False}}),
    ("delete_snipe_order", ("s",), {}, "deleteSnipeOrder", {"id": "s"}),
    ("delete_snipe_orders", (["s"],), {}, "deleteSnipeOrders", {"ids": ["s"]}),
    ("create_dev_order", (), {**DEV, **EXECUTION}, "createDevOrder", {**DEV_SENT, **EXECUTION_SENT}),
    ("create_dev_order", (), {"pair": "P", "wallet_id": "w", "amount_or_percent": "0.5", "expire_delta": 1000}, "createDevOrder",
     {"pair": "P", "walletId": "w", "amountOrPercent": Decimal("0.5"), "expireDelta": 1000}),
    ("batch_update_dev_order", (["d"], True), {}, "batchUpdateDevOrder", {"ids": ["d"], "enabled": True}),
]


@pytest.mark.parametrize("name, arguments, fields, method, sent", METHODS)
def test_what_is_sent(calls: List[Any], name: str, arguments: Any, fields: Any, method: str, sent: Any) -> None:
    getattr(DBotTradeClient(KEY), name)(*arguments, **fields, timeout=3)
    assert calls == [(method, sent, 3)]
    # == does not tell True from 1, nor a number from a Decimal that a text was meant to be.
    assert _types(calls[0][1]) == _types(sent)


def _types(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _types(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_types(item) for item in value]
    return "number" if isinstance(value, (int, Decimal)) and not isinstance(value, bool) else type(value)


def test_every_documented_method_has_its_own() -> None:
    own = {name for name, _ in inspect.getmembers(DBotTradeClient, inspect.isfunction) if name in vars(DBotTradeClient)}
    assert {name for name, *_ in METHODS} == {name for name in own if not name.startswith("_")}
    assert len({method for *_, method, _ in METHODS}) == 29
    for name in own:
        assert name.startswith("_") or "Source: docs.dbotx.com" in (inspect.getdoc(getattr(DBotTradeClient, name)) or "")


@pytest.mark.parametrize("name, words", [
    ("update_follow_order", "on or off, and nothing else"),
    ("batch_update_follow_order", "REPLACE THE WALLET"),
    ("create_or_update_follow_order", "OVERWRITE a whole one"),
    ("batch_update_dev_order", "Switch"),
    ("delete_all_limit_orders", "AND ALL take profit and stop loss tasks"),
])
def test_dangerous_methods_say_so_in_their_first_line(name: str, words: str) -> None:
    assert words in (inspect.getdoc(getattr(DBotTradeClient, name)) or "").partition("\n\n")[0]
    assert name in (DBotTradeClient.__doc__ or "")


@pytest.mark.parametrize("name, arguments, fields, error, message", [
    ("update_follow_order", ("", True), {}, ValueError, "id must not be empty"),
    ("update_follow_order", (5, True), {}, TypeError, "id must be a str"),
    ("update_follow_order", ("f", "false"), {}, TypeError, "enabled must be a bool, not str"),
    ("update_follow_order", ("f", None), {}, TypeError, "enabled must be a bool"),
    ("update_follow_order", ("f", True, "false"), {}, TypeError, "close_pnl_order must be a bool, not str"),
    ("batch_toggle_follow_order", ([], True), {}, ValueError, "ids must have at least one"),
    ("batch_toggle_follow_order", ("f", True), {}, TypeError, "ids must be a list of str"),
    ("batch_update_follow_order", (["f"], ""), {}, ValueError, "wallet_id must not be empty"),
    ("batch_update_dev_order", (["f"], 1), {}, TypeError, "enabled must be a bool"),
    ("delete_follow_orders", ([""],), {}, ValueError, r"ids\[0\] must not be empty"),
    ("delete_limit_orders", (None,), {}, TypeError, "ids must be a list"),
    ("delete_snipe_order", ("a b",), {}, ValueError, "id must not contain blanks"),
    ("delete_snipe_orders", ([1],), {}, TypeError, r"ids\[0\] must be a str"),
    ("get_swap_order", ("",), {}, ValueError, "order_id must not be empty"),
    ("get_swap_orders", ([],), {}, ValueError, "ids must have at least one"),
    ("create_swap_order", (), {**SWAP, "chain": ""}, ValueError, "chain must not be empty"),
    ("create_swap_order", (), {**SWAP, "wallet_id": None}, TypeError, "wallet_id must be a str"),
    ("create_swap_order", (), {**SWAP, "type": "hold"}, ValueError, "type must be one of buy, sell"),
    ("create_swap_order", (), {**SWAP, "amount_or_percent": 0}, ValueError, "amount_or_percent must be above 0"),
    ("create_swap_order", (), {**SWAP, "amount_or_percent": None}, TypeError, "amount_or_percent must be a number"),
    ("create_swap_order", (), {**SWAP, "max_slippage": 10}, ValueError, "max_slippage must be 0 to 1"),
    ("create_swap_order", (), {**SWAP, "maxSlippage": 10}, ValueError, "maxSlippage must be 0 to 1"),
    ("create_swap_order", (), {**SWAP, "max_slipage": 0.1}, TypeError, "unexpected argument max_slipage"),
    ("create_swap_order", (), {**SWAP, "concurrent_nodes": 4}, ValueError, "concurrent_nodes must be 1 to 3"),
    ("create_swap_order", (), {**SWAP, "retries": 11}, ValueError, "retries must be 0 to 10"),
    ("create_swap_order", (), {**SWAP, "retries": "1"}, TypeError, "retries must be an int"),
    ("create_swap_order", (), {**SWAP, "jito_enabled": "true"}, TypeError, "jito_enabled must be a bool"),
    ("create_swap_order", (), {**SWAP, "priority_fee": "auto"}, ValueError, "priority_fee must be a number"),
    ("create_swap_order", (), {**SWAP, "stop_earn_group": {}}, TypeError, "stop_earn_group must be a list of dicts"),
    ("create_swap_order", (), {**SWAP, "stop_earn_group": [{"pricePercent": "x"}]}, ValueError, r"stop_earn_group\[0\].price"),
    ("create_swap_order", (), {**SWAP, "pnlCustomConfig": {"jitoEnabled": 1}}, TypeError, "pnlCustomConfig.jitoEnabled"),
    ("create_swap_order", (), {**SWAP, "max_slipage": 0.1}, TypeError, "the nearest is max_slippage; .* goes into extra"),
    ("create_swap_order", (), {**SWAP, "maxSlipage": 0.1}, TypeError, "argument maxSlipage: the nearest is max_slip"),
    ("create_swap_order", (), {**SWAP, "maxSlippage": 0.1, "max_slippage": 0.1}, TypeError, "maxSlippage is given twice"),
    ("create_swap_order", (), {**SWAP, "max_slippage": 0.1, "extra": {"maxSlippage": 0.1}}, TypeError, "is given twice"),
    ("create_swap_order", (), {**SWAP, "extra": {"maxSlippage": 10}}, ValueError, "extra.maxSlippage must be 0 to 1"),
    ("create_swap_order", (), {**SWAP, "extra": {"max_slippage": 0.1}}, TypeError, "extra: 'max_slippage' is not a field"),
    ("create_swap_order", (), {**SWAP, "extra": [1]}, TypeError, "extra must be a dict, not list"),
    ("create_swap_order", (), {**SWAP, "extra": {"newField": {1}}}, TypeError, "params.newField must be a JSON value"),
    ("create_swap_order", (), {"chain": "c", "pair": "P", "type": "buy"}, TypeError, "missing argument wallet_id and amount"),
    ("create_swap_order", (), {**SWAP, "type": "sell", "amount_or_percent": 50}, ValueError, "must be a fraction up to 1"),
    ("create_dev_order", (), {**DEV, "amount_or_percent": 50}, ValueError, "amount_or_percent must be 0 to 1, not 50"),
    ("create_dev_order", (), {**DEV, "trade_type": "buy"}, ValueError, "trade_type must be one of sell"),
    ("list_dev_orders", ("limit_order",), {}, ValueError, "source must be one of swap_order, follow_order, manual"),
    ("list_pnl_orders_from_swap_order", (), {"sort": 1}, TypeError, "unexpected argument sort"),
    ("list_snipe_orders", (), {"size": 0}, ValueError, "size must be 1 to 20"),
    ("delete_dev_order", ([],), {}, TypeError, "id must be a str"),
    ("delete_migrate_orders", ("m",), {}, TypeError, "ids must be a list"),
    ("list_limit_orders", (), {"tokens": "T"}, TypeError, "unexpected argument tokens: the nearest is token$"),
    ("create_swap_orders_multi_wallet", (), {**{k: v for k, v in SWAP.items() if k != "wallet_id"}, "wallet_id_list": ["w"] * 6},
     ValueError, "wallet_id_list must have 1 to 5, not 6"),
    ("create_limit_order", (), {"chain": "c", "pair": "P", "wallet_id": "w", "settings": []}, ValueError, "settings must have"),
    ("create_limit_order", (), {"chain": "c", "pair": "P", "wallet_id": "w", "settings": [{**LIMIT, "enabled": "true"}]},
     TypeError, r"settings\[0\].enabled must be a bool"),
    ("update_limit_order", ("o",), {"trigger_direction": "left"}, ValueError, "trigger_direction must be one of up, down"),
    ("list_limit_orders", (), {"size": 21}, ValueError, "size must be 1 to 20, not 21"),
    ("list_limit_orders", (), {"page": -1}, ValueError, "page must be 0 or more, not -1"),
    ("list_follow_orders", (), {"page": "0"}, TypeError, "page must be an int"),
    ("list_trailing_stop_orders", ("limit_order",), {}, ValueError, "source must be one of swap_order, follow_order"),
    ("delete_all_trailing_stop_orders", ("",), {}, ValueError, "source must be one of"),
    ("list_migrate_orders", (None,), {}, TypeError, "source must be a str"),
    ("list_pnl_orders_from_follow_order", (), {"source_id": ""}, ValueError, "source_id must not be empty"),
    ("create_or_update_follow_order", (), {**FOLLOW, "enabled": "true"}, TypeError, "enabled must be a bool"),
    ("create_or_update_follow_order", (), {**FOLLOW, "id": ""}, ValueError, "id must not be empty"),
    ("create_or_update_follow_order", (), {**FOLLOW, "target_ids": "T"}, TypeError, "target_ids must be a list"),
    ("create_or_update_follow_order", (), {**FOLLOW, "buy_settings": {"enabled": 1}}, TypeError, "buy_settings.enabled"),
    ("create_snipe_order", (), {**SNIPE, "expire_delta": 432_000_001, "buy_settings": {}}, ValueError, "expire_delta must be"),
    ("create_snipe_order", (), {**SNIPE, "buy_settings": 5}, TypeError, "buy_settings must be a dict"),
    ("create_dev_order", (), {**DEV, "min_dev_sell_percent": 50}, ValueError, "min_dev_sell_percent must be 0 to 1"),
    ("update_follow_order", ("f", True), {"timeout": -1}, ValueError, "timeout"),
])
def test_wrong_arguments_are_named_before_any_io(name: str, arguments: Any, fields: Any, error: Any, message: str) -> None:
    client = DBotTradeClient(KEY, url="ws://127.0.0.1:1")
    with pytest.raises(error, match=message):
        getattr(client, name)(*arguments, **fields)
    assert client.state is State.NEW


# -- against the local venue -------------------------------------------------------------------------------------------


def test_every_method_works(venue: DBotVenue, client: DBotTradeClient) -> None:
    pair, wallet = venue.pairs[0].pair, venue.wallet_ids[0]
    common: Dict[str, Any] = {"chain": "solana", "pair": pair, "type": "buy", "amount_or_percent": 0.1}
    exits: Dict[str, Any] = {"stop_loss_percent": 0.9, "trailing_stop_group": [{"pricePercent": 0.9}], "migrateSellPercent": 1}
    first = client.create_swap_order(**common, wallet_id=wallet, **exits)["id"]
    several = client.create_swap_orders_multi_wallet(**common, wallet_id_list=list(venue.wallet_ids))["ids"]
    assert client.get_swap_order(first).state == "init"
    venue.step(2)
    orders = client.get_swap_orders([first, *several, "nobody"])
    assert set(orders) == {first, *several} and {order.state for order in orders.values()} == {"done"}
    assert orders[first].tx_price_usd is not None and orders[first].swap_hash
    assert [order["sourceId"] for order in client.list_trailing_stop_orders("swap_order", source_id=first)] == [first]
    (opening,) = client.list_migrate_orders("swap_order")
    assert opening["sourceId"] == first and client.delete_migrate_orders([opening["id"]]) is None
    assert client.list_migrate_orders("swap_order") == []
    (stop,) = client.list_pnl_orders_from_swap_order(source_id=first, state="init")
    assert client.update_limit_order(stop["id"], trigger_price_usd="0.000001") is None  # such tasks are limit orders
    assert client.delete_all_trailing_stop_orders("swap_order") is None
    assert client.list_trailing_stop_orders("swap_order") == []

    setting = {"tradeType": "sell", "triggerPriceUsd": "1000000", "triggerDirection": "up", "currencyAmountUI": "1"}
    limits = client.create_limit_order(chain="solana", pair=pair, wallet_id=wallet, settings=[setting, setting])["ids"]
    assert client.update_limit_order(limits[0], trigger_price_usd=Decimal("2000000")) is None
    listed = {order["id"]: order["triggerPriceUsd"] for order in client.list_limit_orders(chain="solana", state="init")}
    assert listed == {limits[0]: "2000000", limits[1]: "1000000"}
    assert [order["id"] for order in client.list_limit_orders(page=1, size=1)] == [limits[1]]
    assert client.delete_limit_orders(limits[:1]) is None
    assert len(venue.tasks("limit")) == 2  # the other one, and the stop loss
    assert client.delete_all_limit_orders() is None
    assert venue.tasks("limit") == {}

    client.create_or_update_follow_order(
        enabled=False, name="one", chain="solana", target_ids=[venue.wallets[0]], wallet_id=wallet, group_id="g"
    )
    (task,) = client.list_follow_orders(chain="solana")
    client.update_follow_order(task["id"], True)
    assert venue.tasks("follow")[task["id"]]["enabled"] is True
    venue.step(20)
    assert client.list_pnl_orders_from_follow_order(source_id=task["id"])
    client.batch_toggle_follow_order([task["id"]], False, close_pnl_order=True)
    assert client.list_pnl_orders_from_follow_order() == []
    client.batch_update_follow_order([task["id"]], venue.wallet_ids[1])
    assert client.list_follow_orders()[0]["walletId"] == venue.wallet_ids[1]
    client.create_or_update_follow_order(
        id=task["id"], enabled=False, name="two", chain="solana", target_ids=[venue.wallets[0]], wallet_id=wallet
    )
    (task,) = client.list_follow_orders()
    assert (task["name"], task["groupId"]) == ("two", None)  # what was left out is reset
    client.delete_follow_orders([task["id"]])
    assert client.list_follow_orders() == []

    snipes = [
        client.create_snipe_order(
            enabled=True, chain="solana", token="T", wallet_id=wallet, expire_delta=10**6, buy_settings={"buyAmountUI": 1}
        )["id"]
        for _ in range(3)
    ]
    assert [order["id"] for order in client.list_snipe_orders(state="init")] == snipes
    client.delete_snipe_order(snipes[0])
    client.delete_snipe_orders(snipes[1:])
    assert venue.tasks("snipe") == {}
    dev = client.create_dev_order(**{**DEV, "wallet_id": wallet})["id"]
    client.batch_update_dev_order([dev], False)
    assert [(order["id"], order["enabled"]) for order in client.list_dev_orders("manual")] == [(dev, False)]
    assert client.delete_dev_order(dev) is None and venue.tasks("dev") == {}

    methods = {frame.document["method"] for frame in venue.requests}
    assert methods == {method for *_, method, _ in METHODS}
    assert venue.handler_errors == 0
    (delete_all,) = [frame for frame in venue.requests if frame.document["method"] == "deleteAllLimitOrders"]
    assert "params" not in delete_all.document


def test_numbers_leave_as_plain_decimals(venue: DBotVenue, client: DBotTradeClient) -> None:
    client.create_swap_order(
        chain="solana", pair="P", wallet_id=venue.wallet_ids[0], type="buy", amount_or_percent=1e-7, jito_tip=Decimal("1E-9")
    )
    sent = str(venue.requests[-1].raw)
    assert '"amountOrPercent":0.0000001' in sent and '"jitoTip":0.000000001' in sent


def test_a_refusal_has_the_whole_reply(venue: DBotVenue, client: DBotTradeClient) -> None:
    with pytest.raises(dbxsdk.VenueError, match="task not found: nobody") as raised:
        client.update_follow_order("nobody", True)
    assert raised.value.reply["result"] == {"err": True, "res": "task not found: nobody"}
    assert raised.value.code is None
    client.update_follow_order(venue.add_follow_order(), True)  # the connection lives on


def test_an_unknown_method_gets_no_answer_or_a_refusal(client: DBotTradeClient) -> None:
    with pytest.raises(dbxsdk.RequestTimeout, match="no answer to inventNothing"):
        client.call("inventNothing", timeout=0.1)
    with DBotVenue(rate=0, unknown_methods="error") as venue, venue.client() as other:
        with pytest.raises(dbxsdk.VenueError, match="method not found"):
            other.call("inventNothing")


def test_an_answer_of_another_shape_is_a_protocol_error(venue: DBotVenue, client: DBotTradeClient) -> None:
    venue.hold_answers()
    waiting = Background(client.list_follow_orders)
    assert venue.wait_until(lambda: venue.held_answers == 1)
    key = venue.requests[-1].document["id"]
    venue.send_frame({"method": "rpcResponse", "id": key, "result": {"err": False, "res": {"not": "a list"}}})
    assert isinstance(waiting.error(), dbxsdk.ProtocolError)


def test_a_lost_connection_leaves_the_outcome_unknown(venue: DBotVenue, client: DBotTradeClient) -> None:
    venue.hold_answers()
    waiting = Background(client.create_swap_order, **{**SWAP, "wallet_id": venue.wallet_ids[0]})
    assert venue.wait_until(lambda: venue.held_answers == 1)
    venue.drop_connections()
    error = waiting.error()
    assert isinstance(error, dbxsdk.ConnectionLost) and isinstance(error, dbxsdk.OutcomeUnknown)
    assert error.request_id == venue.requests[-1].document["id"]
    assert [frame.document["method"] for frame in venue.requests].count("createSwapOrder") == 1  # never sent again


def test_a_wrong_key_is_final(venue: DBotVenue, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        client = venue.client("trade", api_key=KEY)
        events = Recorder()
        client.on_event(events)
        with pytest.raises(dbxsdk.AuthError, match="401") as raised:
            client.open()
        with pytest.raises(dbxsdk.AuthError):
            client.update_follow_order("f", True)
        assert client.state is State.FAILED and venue.connection_count == 0
    assert KEY not in caplog.text + str(raised.value) + repr(raised.value) + repr(events.items) + repr(client)


def test_the_key_is_in_no_log(venue: DBotVenue, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), venue.client(options=Options(backoff_initial=0.01)) as client:
        client.subscribe("tradeResults", callback=print)
        client.ping()
        venue.drop_connections()
        assert venue.wait_until(lambda: venue.connection_count == 2 and venue.subscriptions())
    assert caplog.records and venue.api_key not in caplog.text


def test_500_requests_at_once_answered_in_any_order() -> None:
    with DBotVenue(rate=0, answer_order="shuffled") as venue:
        ids = [venue.add_follow_order() for _ in range(10)]
        with venue.client() as client:
            answers: List[Any] = []

            def ask(thread: int) -> None:
                # Answers differ, so that a mix-up shows.
                futures = [client.submit("listFollowOrders", {"page": n % 10, "size": 1}) for n in range(thread, thread + 49)]
                page = thread % 10
                answers.append((ids[page], client.list_follow_orders(page=page, size=1)))
                answers.extend((ids[n % 10], future.result(PATIENCE)) for n, future in enumerate(futures, thread))

            threads = [Background(ask, thread) for thread in range(10)]
            assert venue.wait_until(lambda: venue.held_answers == 500)
            assert client.stats().pending == 500
            venue.step()  # all of them go out, shuffled
            for thread in threads:
                thread.result()
            stats = client.stats()
        sent = [frame.document["id"] for frame in venue.requests]
    assert len(answers) == 500 and all([order["id"] for order in got] == [wanted] for wanted, got in answers)
    assert len(sent) == len(set(sent)) == 500  # each once
    assert (stats.pending, stats.bad_frames, stats.received) == (0, 0, 500)


def test_blocking_requests_of_many_threads_beside_a_shuffling_venue() -> None:
    with DBotVenue(rate=200, answer_order="shuffled") as venue, venue.client() as client:
        ids = [venue.add_follow_order() for _ in range(5)]

        def ask() -> bool:
            return all(client.list_follow_orders(page=n, size=1)[0]["id"] == ids[n] for n in range(5))

        assert all(thread.result() for thread in [Background(ask) for _ in range(8)])


# -- trade results -----------------------------------------------------------------------------------------------------


def swap(venue: DBotVenue, client: DBotTradeClient, **fields: Any) -> str:
    """A fast trade, carried out."""
    arguments: Dict[str, Any] = {**SWAP, "pair": venue.pairs[0].pair, "wallet_id": venue.wallet_ids[0], **fields}
    order_id: str = client.create_swap_order(**arguments)["id"]
    venue.step(2)
    return order_id


def filters(venue: DBotVenue) -> List[Any]:
    return [f.document["tradeTypeFilter"] for f in venue.requests if f.document["method"] == "subscribeTradeResults"]


def test_results_of_all_types(venue: DBotVenue, client: DBotTradeClient) -> None:
    results = Recorder()
    client.subscribe("tradeResults", callback=results)
    assert filters(venue) == [[]]
    assert venue.requests[-1].document.keys() == {"method", "tradeTypeFilter"}
    order_id = swap(venue, client)
    (update,) = results.wait()
    assert (update.venue, update.channel, update.symbol, update.kind) == ("dbot", "tradeResults", "swap_buy_success", "update")
    assert isinstance(update.data, TradeResult) and update.data.id.startswith(order_id)
    assert update.data.send.amount == Decimal("0.1") and update.data.receive.amount > 0
    assert update.venue_time_ms == update.data.timestamp_ms
    assert abs(update.data.create_at_ms - update.data.timestamp_ms) < 1000
    swap(venue, client, max_slippage=0)
    failure = results.wait(2)[1]
    assert (failure.symbol, failure.data.state, failure.data.error_code) == ("swap_buy_fail", "fail", "E_OTHERS")
    assert failure.data.send is None and failure.data.timestamp_ms is None


@pytest.mark.parametrize("subscriptions", ["replace", "add"])
def test_each_callback_gets_its_own_types(subscriptions: str) -> None:
    with DBotVenue(rate=0, subscriptions=subscriptions) as venue, venue.client() as client:
        good, bad, every = Recorder(), Recorder(), Recorder()
        client.subscribe("tradeResults", ["swap_buy_success", "swap_sell_success"], callback=good)
        failures = client.subscribe("tradeResults", "swap_buy_fail", callback=bad)
        swap(venue, client)
        swap(venue, client, max_slippage=0)
        swap(venue, client, type="sell")
        assert [update.symbol for update in good.wait(2)] == ["swap_buy_success", "swap_sell_success"]
        assert [update.symbol for update in bad.wait(1)] == ["swap_buy_fail"]
        everything = client.subscribe("tradeResults", callback=every)
        swap(venue, client)
        every.wait(1)
        everything.unsubscribe()
        failures.unsubscribe()
        eventually(lambda: len(filters(venue)) == 5)
        swap(venue, client, max_slippage=0)
        swap(venue, client, type="sell")
        assert len(good.wait(4)) == 4 and len(bad.items) == 1 and len(every.items) == 1
        first = ["swap_buy_success", "swap_sell_success"]
        assert filters(venue) == [first, [*first, "swap_buy_fail"], [], [*first, "swap_buy_fail"], first]
        assert client.stats().bad_frames == 0


def test_after_the_last_unsubscribe_and_back_again(venue: DBotVenue, client: DBotTradeClient) -> None:
    events, first, second = Recorder(), Recorder(), Recorder()
    client.on_event(events)
    client.subscribe("tradeResults", callback=first).unsubscribe()
    swap(venue, client)
    client.ping()
    client.subscribe("tradeResults", callback=second)
    swap(venue, client)
    second.wait(1)
    assert first.items == [] and filters(venue) == [[], []]
    assert not events.of(BadFrame)


def test_concurrent_subscriptions_never_lose_a_type(venue: DBotVenue, client: DBotTradeClient) -> None:
    types = [f"type{n}" for n in range(12)]
    for waiting in [Background(client.subscribe, "tradeResults", type_, callback=print) for type_ in types]:
        waiting.result()
    assert venue.subscriptions() == tuple(sorted(f"tradeResults.{type_}" for type_ in types))
    asked = filters(venue)
    assert all(set(earlier) <= set(later) for earlier, later in zip(asked[:-1], asked[1:]))  # noqa: B905


def test_a_refusal_names_the_topics() -> None:
    with DBotVenue(rate=0, plan="free") as venue, venue.client() as client:
        with pytest.raises(dbxsdk.SubscribeError, match="plan has no trade results") as raised:
            client.subscribe("tradeResults", ["swap_buy_fail"], callback=print)
        assert raised.value.topics == ("tradeResults.swap_buy_fail",)
        assert client.list_follow_orders() == []


def test_results_are_asked_for_again_after_a_drop(venue: DBotVenue) -> None:
    with venue.client(options=Options(backoff_initial=0.01)) as client:
        events, results = Recorder(), Recorder()
        client.on_event(events)
        client.subscribe("tradeResults", ["swap_buy_success"], callback=results)
        client.subscribe("tradeResults", ["swap_buy_fail"], callback=results)
        venue.drop_connections()
        assert venue.wait_until(lambda: venue.connection_count == 2 and len(venue.subscriptions()) == 2)
        swap(venue, client)
        results.wait(1)
        assert set(events.wait_for(Gap).topics) == {"tradeResults.swap_buy_success", "tradeResults.swap_buy_fail"}
        assert sorted(filters(venue)[-1]) == ["swap_buy_fail", "swap_buy_success"]


def test_a_copy_that_failed_without_a_direction_comes_once_to_each(venue: DBotVenue, client: DBotTradeClient) -> None:
    both, buys, raw = Recorder(), Recorder(), Recorder()
    client.subscribe("tradeResults", ["follow_buy_fail", "follow_sell_fail"], callback=both)
    client.subscribe("tradeResults", ["follow_buy_fail"], callback=buys)
    client.subscribe("tradeResults", ["follow_buy_fail", "follow_sell_fail"], callback=raw, raw=True)
    document = {"id": "f_x", "state": "fail", "source": "follow_order", "type": "fail", "createAt": 1700000000123}
    venue.send_frame({"method": "tradeResultNotify", "result": document})
    client.ping()
    eventually(lambda: client.stats().queued == 0 and client.stats().delivered >= 3)
    assert [len(recorder.items) for recorder in (both, buys, raw)] == [1, 1, 1]
    assert both.items[0].symbol == "" and raw.items[0]["result"] == document


def test_a_result_that_lacks_what_it_needs_is_told_and_the_connection_lives_on(venue: DBotVenue, client: DBotTradeClient) -> None:
    events, results = Recorder(), Recorder()
    client.on_event(events)
    client.subscribe("tradeResults", callback=results)
    venue.send_frame({"method": "tradeResultNotify", "result": {"state": "done"}})
    assert "'id' is missing" in str(events.wait_for(BadFrame).error)
    swap(venue, client)
    results.wait(1)


# -- heartbeat ---------------------------------------------------------------------------------------------------------


def test_ping_is_a_websocket_ping(venue: DBotVenue, client: DBotTradeClient) -> None:
    assert 0 <= client.ping(PATIENCE) < PATIENCE
    assert venue.requests == []  # no message


def test_pings_keep_an_idle_connection() -> None:
    with DBotVenue(rate=0, idle_timeout=0.3) as venue:
        with venue.client(options=Options(heartbeat_interval=0.1)) as client:
            assert not client.wait(0.8)
            assert venue.connection_count == 1 and venue.connections == 1
        with venue.client(options=Options(heartbeat_interval=30, max_reconnects=0)) as client:
            with pytest.raises(dbxsdk.DbxError):
                client.wait(PATIENCE)  # nothing was sent for too long: the venue cuts it


def test_a_venue_that_went_silent_is_noticed(venue: DBotVenue) -> None:
    options = Options(heartbeat_interval=0.1, silence_timeout=0.4, backoff_initial=0.01)
    with venue.client(options=options) as client:
        events = Recorder()
        client.on_event(events)
        client.ping()
        venue.go_silent()
        assert "nothing was received" in events.wait_for(Disconnected).reason
        with pytest.raises(dbxsdk.DbxError):
            client.ping(0.1)
        venue.resume()
        eventually(lambda: client.state is State.READY)
        assert client.ping() < PATIENCE


@pytest.mark.parametrize("method, fields", [
    ("create_swap_order", {"wallet_id": "w", "type": "sell"}),
    ("create_swap_orders_multi_wallet", {"wallet_id_list": ["w"], "type": "sell"}),
])
def test_fifty_is_not_the_half_of_a_holding(method: str, fields: Dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="amount_or_percent must be a fraction up to 1 to sell"):
        getattr(DBotTradeClient(KEY), method)(chain="solana", pair="pair", amount_or_percent=50, **fields)
