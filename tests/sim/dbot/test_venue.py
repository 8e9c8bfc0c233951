"""Every documented answer and update of the local DBot venue, and what it can be told to do wrong."""

from __future__ import annotations

import itertools
import json
import time
from decimal import Decimal
from typing import Any, Dict, Iterator, List

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from dbxsdk.sim.dbot.venue import DATA, TRADE, DBotVenue, result_types

from tests.sim.peer import WAIT, Peer, peer

_ids = itertools.count(1)


@pytest.fixture
def venue() -> Iterator[DBotVenue]:
    with DBotVenue(rate=0) as made:
        yield made


@pytest.fixture
def client(venue: DBotVenue) -> Iterator[Peer]:
    with connected(venue, TRADE) as made:
        yield made


@pytest.fixture
def data(venue: DBotVenue) -> Iterator[Peer]:
    with connected(venue, DATA) as made:
        yield made


def connected(venue: DBotVenue, path: str) -> Any:
    return peer(venue, path, additional_headers={"X-API-KEY": venue.api_key})


def ask(client: Peer, method: str, **params: Any) -> Any:
    """The ``result`` of a request; pushes before it are passed over."""
    key = next(_ids)
    client.send({"id": key, "method": method, "params": params})
    answer = client.receive_until(lambda document: document.get("id") == key)
    assert answer["method"] == "rpcResponse" and set(answer) == {"method", "id", "result"}
    return answer["result"]


def res(client: Peer, method: str, **params: Any) -> Any:
    result = ask(client, method, **params)
    assert result["err"] is False, result
    return result["res"]


def mark(client: Peer) -> List[Any]:
    """What was pushed so far: everything before the answer to a request sent now."""
    key = next(_ids)
    client.send({"id": key, "method": "listFollowOrders", "params": {}})
    return client.receive_all(lambda document: document.get("id") == key)


def swap(venue: DBotVenue, **change: Any) -> Dict[str, Any]:
    return {"chain": "solana", "pair": venue.pairs[0].pair, "walletId": venue.wallet_ids[0], "type": "buy",
            "amountOrPercent": 0.1, **change}


# -- the handshake -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [TRADE, DATA])
@pytest.mark.parametrize("headers", [{}, {"x-api-key": "other"}, {"Authorization": "Bearer KEY"}])
def test_without_the_key_the_handshake_is_refused(venue: DBotVenue, path: str, headers: Any) -> None:
    headers = {name: value.replace("KEY", venue.api_key) for name, value in headers.items()}
    with pytest.raises(InvalidStatus) as raised, peer(venue, path, additional_headers=headers):
        pass
    assert raised.value.response.status_code == 401
    assert venue.connection_count == 0


def test_addresses(venue: DBotVenue) -> None:
    assert venue.url() == venue.url("/trade/ws/") and venue.url("/data/ws/").endswith("/data/ws/")
    with pytest.raises(InvalidStatus) as raised, connected(venue, "/elsewhere"):
        pass
    assert raised.value.response.status_code == 404


def test_the_key_can_be_given() -> None:
    with DBotVenue(rate=0, api_key="k") as venue, connected(venue, DATA):
        assert venue.api_key == "k" and venue.wait_until(lambda: venue.connections == 1)


@pytest.mark.parametrize("option", ["plan", "subscriptions", "unknown_methods", "answer_order"])
def test_wrong_options(option: str) -> None:
    with pytest.raises(ValueError, match=f"{option} must be one of"):
        DBotVenue(**{option: "nothing"})


# -- tasks -------------------------------------------------------------------------------------------------------------


def test_a_fast_trade_goes_its_way(venue: DBotVenue, client: Peer) -> None:
    order_id = res(client, "createSwapOrder", **swap(venue))["id"]
    states = []
    for _ in range(3):
        order = res(client, "getSwapOrder", orderId=order_id)
        states.append(order["state"])
        venue.step()
    assert states == ["init", "processing", "done"]
    assert set(order) == {"id", "chain", "tradeType", "state", "txPriceUsd", "swapHash", "swapLink", "errorCode", "errorMessage"}
    assert order["tradeType"] == "buy" and order["txPriceUsd"] > 0 and order["errorCode"] == ""


@pytest.mark.parametrize("change, error", [({"maxSlippage": 0}, "Slippage"), ({"pair": "nowhere"}, "AccountNotFound")])
def test_a_fast_trade_fails(venue: DBotVenue, client: Peer, change: Any, error: str) -> None:
    order_id = res(client, "createSwapOrder", **swap(venue, **change))["id"]
    venue.step(2)
    order = res(client, "getSwapOrder", orderId=order_id)
    assert (order["state"], order["errorCode"]) == ("fail", "E_OTHERS") and error in order["errorMessage"]


def test_several_are_listed_in_an_order_of_the_venues_own(venue: DBotVenue, client: Peer) -> None:
    ids = res(client, "createSwapOrdersMultiWallet", **{**swap(venue), "walletIdList": list(venue.wallet_ids)})["ids"]
    assert [order["id"] for order in res(client, "getSwapOrders", ids=[*ids, "nobody"])] == sorted(ids, reverse=True)


def test_exits_of_a_fast_trade(venue: DBotVenue, client: Peer) -> None:
    client.ask({"method": "subscribeTradeResults", "tradeTypeFilter": []})
    exits = {
        "stopEarnGroup": [{"pricePercent": 0, "amountPercent": 0.5}, {"pricePercent": 100, "amountPercent": 0.5}],
        "stopLossPercent": 0.99,
        "trailingStopGroup": [{"pricePercent": 0, "amountPercent": 1, "activePricePercent": 0}],
        "migrateSellPercent": 1,
        "devSellPercent": 1,
    }
    order_id = res(client, "createSwapOrder", **swap(venue, **exits))["id"]
    venue.step(40)
    results = [document["result"] for document in mark(client)]
    told = [(result["id"].startswith(order_id), result["source"], result["subSource"]) for result in results]
    assert told[0] == (True, "swap_order", None)
    assert (False, "limit_order", "swap_take_profit") in told and (False, "trailing_stop_order", "swap_trailing_stop") in told
    # What the price did not reach is still there, and goes with all limit orders.
    assert [order["state"] for order in venue.tasks("limit").values()].count("init") == 2
    assert res(client, "listLimitOrders") == []  # exits are not listed among them
    assert [order["state"] for order in res(client, "listTrailingStopOrders", source="swap_order")] == ["done"]
    for method in ("listMigrateOrders", "listDevOrders"):
        assert [order["sourceId"] for order in res(client, method, source="swap_order")] == [order_id]
    listed = res(client, "listPnlOrdersFromSwapOrder", sourceId=order_id, state="init")
    assert [order["triggerDirection"] for order in listed] == ["up", "down"]
    (opening,) = venue.tasks("migrate")
    assert ask(client, "deleteMigrateOrders", ids=[opening]) == {"err": False} and venue.tasks("migrate") == {}
    client.send({"id": 0, "method": "deleteAllLimitOrders"})
    assert client.receive() == {"method": "rpcResponse", "id": 0, "result": {"err": False}}
    assert venue.tasks("limit") == {}
    assert ask(client, "deleteAllTrailingStopOrders", source="swap_order") == {"err": False}
    assert venue.tasks("trailing") == {}


def test_exits_expire(venue: DBotVenue, client: Peer) -> None:
    res(client, "createSwapOrder", **swap(venue, stopEarnPercent=100, pnlOrderExpireDelta=1000))
    venue.step(10)
    assert [order["state"] for order in venue.tasks("limit").values()] == ["expired"]


def test_limit_orders_trade_at_their_price(venue: DBotVenue, client: Peer) -> None:
    client.ask({"method": "subscribeTradeResults", "tradeTypeFilter": ["limit_buy_success", "limit_sell_success"]})
    price = Decimal(str(venue.price_usd(venue.pairs[0].pair)))
    settings = [
        {"tradeType": "buy", "triggerPriceUsd": str(price * 2), "triggerDirection": "down", "currencyAmountUI": "0.1"},
        {"tradeType": "sell", "triggerPriceUsd": str(price * 2), "triggerDirection": "up", "currencyAmountUI": "1"},
        {"tradeType": "sell", "triggerPriceUsd": "0.000001", "triggerDirection": "up", "currencyAmountUI": "1", "enabled": False},
    ]
    params = {"chain": "solana", "pair": venue.pairs[0].token, "walletId": venue.wallet_ids[0], "settings": settings}
    now, waiting, disabled = res(client, "createLimitOrder", **params)["ids"]
    venue.step()
    assert [document["result"]["id"] for document in mark(client)] == [now]
    assert [order["id"] for order in res(client, "listLimitOrders", state="init", page=0, size=1)] == [waiting]
    assert ask(client, "updateLimitOrder", id=disabled, enabled=True, currencyAmountUI=1) == {"err": False}
    venue.step()
    assert [document["result"]["id"] for document in mark(client)] == [disabled]
    assert ask(client, "deleteLimitOrders", ids=[waiting]) == {"err": False}
    assert waiting not in venue.tasks("limit")


def test_copy_trading(venue: DBotVenue, client: Peer) -> None:
    client.ask({"method": "subscribeTradeResults", "tradeTypeFilter": []})
    task = venue.add_follow_order(enabled=False)
    venue.step(10)
    assert mark(client) == []
    assert ask(client, "updateFollowOrder", id=task, enabled=True, closePnlOrder=False) == {"err": False}
    venue.step(40)
    results = [document["result"] for document in mark(client)]
    assert results and {result["source"] for result in results} == {"follow_order"}
    assert {result["type"] for result in results} == {"buy", "sell"}
    assert all(result["id"].startswith(f"{task}_") for result in results)
    assert [order["sourceId"] for order in res(client, "listPnlOrdersFromFollowOrder", sourceId=task)] == [task]
    assert ask(client, "updateFollowOrder", id=task, enabled=False, closePnlOrder=False) == {"err": False}
    assert len(venue.tasks("limit")) == 1
    assert ask(client, "batchToggleFollowOrder", ids=[task], enabled=False, closePnlOrder=True) == {"err": False}
    assert venue.tasks("limit") == {}
    assert ask(client, "batchUpdateFollowOrder", ids=[task], walletId=venue.wallet_ids[2]) == {"err": False}
    assert venue.tasks("follow")[task]["walletId"] == venue.wallet_ids[2]
    change = {"id": task, "targetIds": ["x"], "walletId": venue.wallet_ids[0]}
    assert ask(client, "createOrUpdateFollowOrder", **change) == {"err": False}
    assert venue.tasks("follow")[task]["name"] == ""  # what was left out is reset
    assert ask(client, "deleteFollowOrders", ids=[task]) == {"err": False}
    assert res(client, "listFollowOrders", page=0, size=20) == []


def test_a_copy_that_fails_hides_its_direction(venue: DBotVenue, client: Peer) -> None:
    client.ask({"method": "subscribeTradeResults", "tradeTypeFilter": ["follow_sell_fail"]})
    params = {"targetIds": list(venue.wallets), "walletId": venue.wallet_ids[0], "buySettings": {"maxSlippage": 0}}
    ask(client, "createOrUpdateFollowOrder", **params)
    venue.step(20)
    results = [document["result"] for document in mark(client)]
    assert results and {(result["state"], result["type"]) for result in results} == {("fail", "fail")}


def test_snipers_and_developers(venue: DBotVenue, client: Peer) -> None:
    params = {"enabled": True, "chain": "solana", "token": "T", "walletId": venue.wallet_ids[0], "buySettings": {}}
    ids = [res(client, "createSnipeOrder", **params, expireDelta=life)["id"] for life in (100, 10**6, 10**6)]
    venue.step(2)
    assert [order["buyState"] for order in venue.tasks("snipe").values()] == ["expired", "init", "init"]
    assert [order["id"] for order in res(client, "listSnipeOrders", state="init", size=1)] == ids[1:2]
    assert ask(client, "deleteSnipeOrder", id=ids[0]) == {"err": False}
    assert ask(client, "deleteSnipeOrders", ids=ids[1:]) == {"err": False}
    assert venue.tasks("snipe") == {}
    dev = res(client, "createDevOrder", walletId=venue.wallet_ids[0], minDevSellPercent=0.5)["id"]
    assert [order["id"] for order in res(client, "listDevOrders", source="manual", state="init")] == [dev]
    assert res(client, "listDevOrders", source="swap_order") == []
    assert ask(client, "batchUpdateDevOrder", ids=[dev], enabled=False) == {"err": False}
    assert venue.tasks("dev")[dev]["enabled"] is False
    assert ask(client, "deleteDevOrder", id=dev) == {"err": False} and venue.tasks("dev") == {}


@pytest.mark.parametrize("slippage, state, error", [(0.1, "done", ""), (0, "fail", "E_OTHERS")])
def test_a_sniper_buys_what_the_market_has(venue: DBotVenue, client: Peer, slippage: float, state: str, error: str) -> None:
    client.ask({"method": "subscribeTradeResults", "tradeTypeFilter": ["swap_buy_success", "swap_buy_fail"]})
    buying = {"buyAmountUI": "0.1", "maxSlippage": slippage}
    params = {"chain": "solana", "token": venue.pairs[0].token, "walletId": venue.wallet_ids[0], "buySettings": buying}
    order_id = res(client, "createSnipeOrder", **params, expireDelta=10**6)["id"]
    venue.step(2)
    (result,) = [document["result"] for document in mark(client)]
    assert (result["id"], result["source"], result["state"]) == (f"{order_id}_buy", "snipe_order", state)
    (row,) = res(client, "listSnipeOrders", state=state)
    assert (row["id"], row["buyState"], row["buyErrorCode"]) == (order_id, state, error) and "state" not in row


def test_both_addresses_of_the_trade_socket_are_served(venue: DBotVenue) -> None:
    for address in (venue.url("/trade/ws/"), venue.url("/trade/ws"), venue.url("/trade/ws") + " "):  # as the pages print them
        with venue.client("trade", url=address) as client:
            assert client.list_follow_orders() == []


@pytest.mark.parametrize("method, params", [
    ("createSwapOrder", {}),
    ("createSwapOrder", {"walletId": "local-wallet-1", "type": "hold"}),
    ("createSwapOrder", {"walletId": "local-wallet-1", "type": "buy", "amountOrPercent": "much"}),
    ("createSwapOrder", {"walletId": "local-wallet-1", "type": "buy", "amountOrPercent": 10**400}),
    ("createSwapOrder", {"walletId": "local-wallet-1", "type": "buy", "amountOrPercent": 1, "maxSlippage": 2}),
    ("createSwapOrdersMultiWallet", {"walletIdList": []}),
    ("createSwapOrdersMultiWallet", {"walletIdList": ["local-wallet-1", "nobody's"]}),
    ("getSwapOrder", {"orderId": "nobody's"}),
    ("getSwapOrders", {"ids": []}),
    ("createLimitOrder", {"walletId": "local-wallet-1", "pair": "nowhere"}),
    ("updateLimitOrder", {"id": "nobody's"}),
    ("listLimitOrders", {"size": 21}),
    ("deleteLimitOrders", {"ids": ["nobody's"]}),
    ("createOrUpdateFollowOrder", {"walletId": "local-wallet-1", "targetIds": []}),
    ("createOrUpdateFollowOrder", {"walletId": "local-wallet-1", "targetIds": ["x"], "id": "nobody's"}),
    ("updateFollowOrder", {"id": "nobody's", "enabled": True}),
    ("updateFollowOrder", {"id": "nobody's", "enabled": "true"}),
    ("batchToggleFollowOrder", {"ids": "all", "enabled": True}),
    ("batchUpdateFollowOrder", {"ids": ["x"], "walletId": "nobody's"}),
    ("deleteFollowOrders", {"id": "x"}),
    ("listTrailingStopOrders", {}),
    ("deleteAllTrailingStopOrders", {"source": "limit_order"}),
    ("listMigrateOrders", {"source": "x"}),
    ("listDevOrders", {}),
    ("listPnlOrdersFromSwapOrder", {"size": 21}),
    ("deleteDevOrder", {"id": "nobody's"}),
    ("deleteMigrateOrders", {"ids": ["nobody's"]}),
    ("createSnipeOrder", {"walletId": "local-wallet-1", "buySettings": {"buyAmountUI": "nan"}}),
    ("createSnipeOrder", {"walletId": "local-wallet-1", "buySettings": {}, "expireDelta": 432_000_001}),
    ("createSnipeOrder", {"walletId": "local-wallet-1"}),
    ("deleteSnipeOrder", {"id": "nobody's"}),
    ("createDevOrder", {"walletId": "local-wallet-1", "minDevSellPercent": 50}),
    ("batchUpdateDevOrder", {"ids": ["x"], "enabled": True}),
])
def test_refusals(venue: DBotVenue, client: Peer, method: str, params: Any) -> None:
    result = ask(client, method, **params)
    assert result["err"] is True and isinstance(result["res"], str)
    assert venue.handler_errors == 0


@pytest.mark.parametrize("frame", ["{", "[1]", "5", b"\xff", '{"id": 1}', '{"id": 1, "method": "inventNothing", "params": {}}'])
def test_what_is_no_request_gets_no_answer(client: Peer, frame: Any) -> None:
    client.send(frame)
    assert mark(client) == []


def test_unknown_methods_can_be_refused() -> None:
    with DBotVenue(rate=0, unknown_methods="error") as venue, connected(venue, TRADE) as client:
        assert ask(client, "inventNothing") == {"err": True, "res": "method not found"}
        client.send({"id": 5, "method": "updateFollowOrder", "params": [1]})
        assert client.receive()["result"]["err"] is True


# -- trade results -----------------------------------------------------------------------------------------------------

RESULT_KEYS = {"id", "state", "source", "subSource", "chain", "block", "hash", "createAt", "timestamp", "wallet", "type",
               "token", "pair", "symbol"}


def test_results_look_as_documented(venue: DBotVenue, client: Peer) -> None:
    answer = client.ask({"method": "subscribeTradeResults", "tradeTypeFilter": []})
    assert answer == {"method": "subscribeResponse", "result": {"message": "Connected and subscribed"}}
    res(client, "createSwapOrder", **swap(venue))
    res(client, "createSwapOrder", **swap(venue, maxSlippage=0))
    venue.step(2)
    documents = mark(client)
    assert [document["method"] for document in documents] == ["tradeResultNotify"] * 2
    good, bad = (document["result"] for document in documents)
    assert set(good) == RESULT_KEYS | {"send", "receive", "priceUsd", "dbotFee"} and good["state"] == "done"
    assert good["createAt"] // 1000 == good["timestamp"]  # ms and seconds, as in the samples
    assert good["send"]["amount"] == "100000000" and good["send"]["info"]["decimals"] == 9
    assert good["receive"]["info"]["contract"] == venue.pairs[0].token
    assert set(bad) == RESULT_KEYS | {"errorCode", "errorMessage"} and bad["state"] == "fail"
    assert bad["block"] is bad["hash"] is bad["timestamp"] is None


@pytest.mark.parametrize("subscriptions, wanted", [("replace", ["b"]), ("add", ["a", "b"])])
def test_a_second_filter(subscriptions: str, wanted: List[str]) -> None:
    with DBotVenue(rate=0, subscriptions=subscriptions) as venue, connected(venue, TRADE) as client:
        for type_ in ("a", "b"):
            client.ask({"method": "subscribeTradeResults", "tradeTypeFilter": [type_]})
        assert venue.subscriptions() == tuple(f"tradeResults.{type_}" for type_ in wanted)


def test_the_filter_filters(venue: DBotVenue, client: Peer) -> None:
    client.ask({"method": "subscribeTradeResults", "tradeTypeFilter": ["swap_buy_fail"]})
    res(client, "createSwapOrder", **swap(venue))
    res(client, "createSwapOrder", **swap(venue, maxSlippage=0))
    venue.step(2)
    assert [document["result"]["state"] for document in mark(client)] == ["fail"]


def test_refused_filters(venue: DBotVenue, client: Peer) -> None:
    for types in ("all", None, [5]):
        assert client.ask({"method": "subscribeTradeResults", "tradeTypeFilter": types})["result"]["err"] is True
    with DBotVenue(rate=0, plan="free") as free, connected(free, TRADE) as other:
        assert other.ask({"method": "subscribeTradeResults", "tradeTypeFilter": []})["result"]["err"] is True
        assert free.subscriptions() == ()


def test_types() -> None:
    assert result_types({"state": "done", "subSource": "swap_stop_loss"}) == ["swap_stop_loss_success"]
    assert result_types({"state": "fail", "subSource": None, "source": "limit_order", "type": "sell"}) == ["limit_sell_fail"]


# -- the data socket ---------------------------------------------------------------------------------------------------


def subscribe(data: Peer, type_: str, args: Any = None, method: str = "subscribe") -> None:
    document = {"method": method, "type": type_}
    data.send(document if args is None else {**document, "args": args})


def acknowledged(data: Peer, type_: str, args: Any = None) -> Any:
    subscribe(data, type_, args)
    answer = data.receive()
    assert answer["status"] == "ack" and answer["method"] == "subscribeResponse"
    assert answer["result"]["type"] == type_ and answer["result"]["message"] == "Connected and subscribed"
    assert abs(answer["result"]["t"] / 1000 - time.time()) < 60
    return answer["result"]["subscribed"]


def pushed(data: Peer) -> List[Any]:
    """What was pushed so far: everything before a refusal that is asked for now."""
    subscribe(data, "nothing")
    return data.receive_all(lambda document: document.get("status") == "error")


def test_every_type(venue: DBotVenue, data: Peer) -> None:
    pair, wallet = venue.pairs[0], venue.wallets[0]
    assert acknowledged(data, "tx", {"pair": [pair.pair]}) == ["tx"]
    assert acknowledged(data, "pairInfo", {"pair": pair.pair, "token": pair.token}) == ["tx", "pairInfo"]
    pairs = [{"pair": each.pair, "token": each.token} for each in venue.pairs]
    acknowledged(data, "pairsInfo", {"pairsInfoInterval": "1m", "pairs": pairs})
    acknowledged(data, "newPairInfo")
    acknowledged(data, "migratedPairInfo")
    assert acknowledged(data, "walletTx", {"walletAddress": wallet})[-1] == "walletTx"
    venue.step(25)
    by_type: Dict[str, List[Any]] = {}
    for document in pushed(data):
        assert set(document) == {"type", "result"}  # no method
        by_type.setdefault(document["type"], []).append(document["result"])
    assert set(by_type) == {"tx", "pairInfo", "pairsInfo", "newPairInfo", "migratedPairInfo", "walletTx"}
    trade = by_type["tx"][0][0]
    assert set(trade) == {"i", "t", "tx", "d", "ac", "tt", "s", "u", "q"}  # no pair
    assert trade["tt"] in ("buy", "sell") and trade["u"] == pytest.approx(150 * trade["s"])
    mine = by_type["walletTx"][0][0]
    assert set(mine) == set(trade) | {"m", "p", "bm", "bs"} and mine["ac"] == wallet
    figures = by_type["pairInfo"][-1]
    assert {"bt1m", "bv5m", "pc1h", "st6h", "sv24h", "tp", "t10"} <= set(figures) and not {"p", "pair"} & set(figures)
    trades = [item for items in by_type["tx"] for item in items]
    assert figures["bt24h"] + figures["st24h"] == len(trades)
    assert {item["p"] for item in by_type["pairsInfo"][0]} == {each.pair for each in venue.pairs}
    assert {"p", "m", "n", "s", "ca", "pt"} <= set(by_type["newPairInfo"][0])


def test_pairs_can_be_named() -> None:
    with DBotVenue(rate=0, name_pairs=True) as venue, connected(venue, DATA) as data:
        pair = venue.pairs[1].pair
        acknowledged(data, "tx", {"pair": [pair]})
        acknowledged(data, "pairInfo", {"pair": pair})
        venue.step(10)
        results = [document["result"] for document in pushed(data)]
        assert {(result if isinstance(result, dict) else result[0])["pair"] for result in results} == {pair}


@pytest.mark.parametrize("subscriptions, left", [("replace", 1), ("add", 2)])
def test_a_second_subscription(subscriptions: str, left: int) -> None:
    with DBotVenue(rate=0, subscriptions=subscriptions) as venue, connected(venue, DATA) as data:
        acknowledged(data, "newPairInfo")
        for pair in venue.pairs[:2]:
            acknowledged(data, "pairInfo", {"pair": pair.pair})
        assert len(venue.subscriptions()) == 1 + left


@pytest.mark.parametrize("answers", [False, True])
def test_unsubscribe(answers: bool) -> None:
    with DBotVenue(rate=0, answer_unsubscribe=answers) as venue, connected(venue, DATA) as data:
        acknowledged(data, "tx", {"pair": [venue.pairs[0].pair, venue.pairs[1].pair]})
        subscribe(data, "tx", {"pair": [venue.pairs[0].pair]}, "unsubscribe")
        assert [document["result"]["message"] for document in pushed(data)] == ["Unsubscribed"] * answers
        assert venue.subscriptions() == (f"tx.{venue.pairs[1].pair}",)


@pytest.mark.parametrize("type_, args", [
    ("nothing", {}),
    ("tx", None),
    ("tx", {"pair": "P"}),
    ("tx", {"pair": []}),
    ("tx", []),
    ("pairInfo", {}),
    ("pairsInfo", {"pairs": [{"pair": "P", "token": "T"}]}),
    ("pairsInfo", {"pairsInfoInterval": "1m", "pairs": [{}]}),
    ("walletTx", {"walletAddress": 5}),
])
def test_refused_subscriptions(venue: DBotVenue, data: Peer, type_: str, args: Any) -> None:
    subscribe(data, type_, args)
    assert data.receive()["status"] == "error" and venue.subscriptions() == ()


@pytest.mark.parametrize("frame", ["{", "[1]", {"method": "x"}, {"type": "tx"}])
def test_other_frames_get_no_answer(data: Peer, frame: Any) -> None:
    data.send(frame)
    assert pushed(data) == []


def test_the_same_seed_gives_the_same_market() -> None:
    with DBotVenue(rate=0, seed=5) as one, DBotVenue(rate=0, seed=5) as two, DBotVenue(rate=0, seed=6) as three:
        assert one.pairs == two.pairs != three.pairs and one.wallets == two.wallets
        one.step(20)
        two.step(20)
        assert [one.price_usd(pair.pair) for pair in one.pairs] == [two.price_usd(pair.pair) for pair in two.pairs]


# -- misbehaviour ------------------------------------------------------------------------------------------------------


def test_answers_in_any_order() -> None:
    with DBotVenue(rate=0, answer_order="shuffled") as venue, connected(venue, TRADE) as client:
        for key in range(50):
            client.send({"id": key, "method": "listFollowOrders", "params": {}})
        assert venue.wait_until(lambda: venue.held_answers == 50)
        venue.step()
        keys = [client.receive()["id"] for _ in range(50)]
        assert sorted(keys) == list(range(50)) != keys and venue.held_answers == 0


def test_answers_can_be_held(venue: DBotVenue, client: Peer) -> None:
    venue.hold_answers()
    for key in range(5):
        client.send({"id": key, "method": "listFollowOrders", "params": {}})
    assert venue.wait_until(lambda: venue.held_answers == 5)
    venue.release_answers(shuffled=False)
    assert [client.receive()["id"] for _ in range(5)] == list(range(5))
    assert mark(client) == []  # not held any more


@pytest.mark.parametrize("path", [TRADE, DATA])
def test_an_idle_connection_is_cut_and_pings_keep_it(path: str) -> None:
    with DBotVenue(rate=0, idle_timeout=0.3) as venue, connected(venue, path) as client:
        began = time.monotonic()
        while time.monotonic() < began + 0.6:
            assert client.websocket.ping().wait(WAIT)
            with pytest.raises(TimeoutError):
                client.receive(timeout=0.1)
        assert venue.connections == 1
        quiet = time.monotonic()
        with pytest.raises(ConnectionClosed):
            client.receive()
        assert time.monotonic() - quiet < 2
    assert DBotVenue()._idle_timeout == 60


def test_both_sockets_live_on_one_port(venue: DBotVenue, client: Peer, data: Peer) -> None:
    acknowledged(data, "newPairInfo")
    client.ask({"method": "subscribeTradeResults", "tradeTypeFilter": []})
    assert venue.subscriptions(TRADE) == ("tradeResults",) and venue.subscriptions(DATA) == ("newPairInfo",)
    venue.step(10)
    assert mark(client) == [] and {document["type"] for document in pushed(data)} == {"newPairInfo"}


def test_clients(venue: DBotVenue) -> None:
    with venue.client() as trade, venue.client("data") as data:
        assert trade.list_follow_orders() == [] and data.ping() < WAIT
        assert sorted(frame.path for frame in venue.requests) == [TRADE]
    with pytest.raises(ValueError, match="socket must be one of trade, data"):
        venue.client("both")  # type: ignore[call-overload]
    assert json.loads(str(venue.requests[0].raw))["method"] == "listFollowOrders"
