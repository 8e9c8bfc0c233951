"""Conditional orders, take profits, stop losses and hedge mode of the local Bybit venue, on its desk and over its sockets."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Dict, List

import pytest

from dbxsdk import VenueError
from dbxsdk.bybit import Order as OrderUpdate
from dbxsdk.sim import BybitVenue
from dbxsdk.sim.bybit.order import Order
from dbxsdk.sim.bybit.parameters import Refused
from dbxsdk.sim.bybit.rows import order_row, position_row
from tests.sim.bybit.peers import FEW, limit, market
from tests.sim.bybit.test_orders import SYMBOL, Place
from tests.waiting import Recorder


@pytest.fixture
def place() -> Place:
    return Place()


def last(place: Place, category: str = "linear") -> Decimal:
    return place.market(category).ticker().last


def push(place: Place, price: Decimal, category: str = "linear") -> None:
    """Other traders' orders move the market to ``price``, or past it."""
    buy = price > last(place, category)
    for _ in range(2000):
        if last(place, category) >= price if buy else last(place, category) <= price:
            return
        place.desk.trade(category, SYMBOL[category], buy, place.market(category).instrument.size_of(20_000))
    raise AssertionError("the market does not move")


def conditional(place: Place, side: str, distance: int, category: str = "linear", **more: Any) -> Dict[str, Any]:
    """A market order for when the market rises (or falls, below 0) by so many dollars."""
    price = last(place, category) + distance
    if category == "spot":
        condition: Dict[str, Any] = {"orderFilter": "StopOrder"}
    else:
        condition = {"triggerDirection": 1 if distance > 0 else 2}
    qty = "10" if category == "inverse" else "0.01"
    return {**market(side, qty, category, SYMBOL[category], triggerPrice=str(price), **condition), **more}


def statuses(place: Place, order: Order) -> List[str]:
    return [each.status for each in place.desk.take_changes().orders if each.id == order.id]


def waiting(place: Place) -> List[Order]:
    return [order for order in place.desk.orders.values() if order.waiting]


def refused(place: Place, fields: Dict[str, Any]) -> int:
    with pytest.raises(Refused) as raised:
        place.create(fields)
    return raised.value.code


class TestConditionalOrders:
    @pytest.mark.parametrize("side, distance", [("Buy", 30), ("Sell", -30), ("Buy", -30), ("Sell", 30)])
    @pytest.mark.parametrize("category", ["linear", "inverse", "spot"])
    def test_the_market_triggers_them(self, place: Place, category: str, side: str, distance: int) -> None:
        more = {"marketUnit": "baseCoin"} if category == "spot" else {}
        order = place.create(conditional(place, side, distance, category, orderLinkId="stop-1", **more))
        row = order_row(order)
        assert (row["orderStatus"], row["leavesQty"], row["stopOrderType"]) == ("Untriggered", row["qty"], "Stop")
        assert row["triggerDirection"] == (1 if distance > 0 else 2) and row["avgPrice"] == ""
        assert statuses(place, order) == ["Untriggered"]
        push(place, last(place, category) - distance, category)  # the other way
        assert order.waiting and statuses(place, order) == [] and place.account.holds == {}
        push(place, order.trigger.price, category)  # type: ignore[union-attr]
        assert statuses(place, order) == ["Triggered", "New", "Filled"]
        assert order.filled == order.size and (order.id, order.link_id) == (row["orderId"], "stop-1")

    def test_a_limit_order_waits_in_the_book_afterwards(self, place: Place) -> None:
        fields = conditional(place, "Buy", 30, orderType="Limit", price=str(last(place) - 40))
        order = place.create(fields)
        push(place, last(place) + 30)
        assert statuses(place, order) == ["Untriggered", "Triggered", "New"]
        assert place.account.holds[order.id].amount > 0
        place.desk.cancel("linear", place.named(order))
        assert order.status == "Cancelled"

    @pytest.mark.parametrize("category, distance, change, code", [
        ("linear", -5, {"triggerDirection": 1}, 110092), ("linear", 5, {"triggerDirection": 2}, 110093),
        ("linear", 0, {"triggerDirection": 1}, 110092), ("linear", 5, {"triggerDirection": None}, 10001),
        ("linear", 5, {"triggerDirection": 3}, 10001), ("linear", 5, {"triggerBy": "lastPrice"}, 10001),
        ("linear", 5, {"triggerPrice": "-1"}, 10001), ("linear", 5, {"triggerPrice": 5}, 10001),
        ("spot", 5, {"triggerPrice": ""}, 170202), ("spot", 9000, {}, 170203), ("spot", -9000, {}, 170204),
        ("spot", 5, {"orderFilter": "Stop"}, 10001), ("option", 5, {}, 10001),
    ])
    def test_refusals(self, place: Place, category: str, distance: int, change: Dict[str, Any], code: int) -> None:
        fields = conditional(place, "Buy", distance, category, qty="1000" if category == "spot" else "0.01", orderLinkId="a")
        assert refused(place, {**fields, **change}) == code
        assert place.desk.orders == {}

    def test_on_spot_a_trigger_price_without_a_filter_is_none(self, place: Place) -> None:
        order = place.create(market("Sell", "0.01", "spot", triggerPrice="1"))
        assert (order.status, order.trigger) == ("Filled", None)  # as the live venue was reported to do

    def test_no_more_than_ten_of_a_symbol(self, place: Place) -> None:
        for _ in range(10):
            place.create(conditional(place, "Buy", 500))
        assert refused(place, conditional(place, "Buy", 500)) == 110009
        place.create(conditional(place, "Buy", 500, "inverse"))

    def test_what_they_hold(self, place: Place) -> None:
        stop = place.create(conditional(place, "Sell", -500, "spot"))
        assert stop.id not in place.account.holds
        tpsl = place.create(conditional(place, "Sell", -500, "spot", orderFilter="tpslOrder"))
        buy = place.create(conditional(place, "Buy", 500, "spot", orderFilter="tpslOrder", qty="1000"))
        assert (place.account.holds[tpsl.id].coin, place.account.holds[tpsl.id].amount) == ("BTC", Decimal("0.01"))
        assert (place.account.holds[buy.id].coin, place.account.holds[buy.id].amount) == ("USDT", Decimal(1000))
        assert refused(place, conditional(place, "Sell", -500, "spot", orderFilter="tpslOrder", qty="999")) == 170131
        place.desk.cancel("spot", place.named(tpsl, orderFilter="tpslOrder"))
        assert tpsl.status == "Deactivated" and tpsl.id not in place.account.holds

    def test_one_that_cannot_be_paid_for_when_its_time_comes(self) -> None:
        place = Place({"USDT": "10"})
        order = place.create(conditional(place, "Buy", 30, qty="1"))
        push(place, last(place) + 30)
        assert statuses(place, order) == ["Untriggered", "Triggered", "Cancelled"] and not order.filled

    def test_on_spot_they_are_cancelled_with_their_filter(self, place: Place) -> None:
        order = place.create(conditional(place, "Buy", 500, "spot", qty="1000"))
        for wrong in ({}, {"orderFilter": "Order"}, {"orderFilter": "tpslOrder"}):
            with pytest.raises(Refused, match="170213"):
                place.desk.cancel("spot", place.named(order, **wrong))
        place.desk.cancel("spot", place.named(order, orderFilter="StopOrder"))
        assert order.status == "Deactivated" and waiting(place) == []

    def test_amended(self, place: Place) -> None:
        order = place.create(conditional(place, "Buy", 500))
        place.desk.amend("linear", place.named(order, triggerPrice=str(last(place) + 20), qty="0.02"))
        assert statuses(place, order) == ["Untriggered", "Untriggered"]
        with pytest.raises(Refused, match="not modified"):
            place.desk.amend("linear", place.named(order, qty="0.02"))
        with pytest.raises(Refused, match="110092"):
            place.desk.amend("linear", place.named(order, triggerPrice="1"))
        push(place, last(place) + 20)
        assert (order.status, order.filled) == ("Filled", Decimal("0.02"))
        plain = place.create(limit("Buy", "0.01", place.best("Buy") - 100))
        with pytest.raises(Refused, match="not a conditional one"):
            place.desk.amend("linear", place.named(plain, triggerPrice="70000"))

    @pytest.mark.parametrize("by, offset", [("LastPrice", "0"), ("MarkPrice", "0.1"), ("IndexPrice", "-0.1")])
    def test_by_which_price(self, place: Place, by: str, offset: str) -> None:
        order = place.create(conditional(place, "Buy", 500, triggerBy=by))
        seen = order.trigger.seen(Decimal(68000), Decimal("0.1"))  # type: ignore[union-attr]
        assert seen - 68000 == Decimal(offset) and order_row(order)["triggerBy"] == by

    def test_orders_that_trigger_each_other_come_to_an_end(self, place: Place) -> None:
        orders = [place.create(conditional(place, "Buy", 10 + n, qty="40")) for n in range(5)]
        push(place, last(place) + 10)
        assert all(not order.waiting for order in orders)

    def test_what_steps_of_the_market_reach(self, place: Place) -> None:
        order = place.create(conditional(place, "Sell", -5))
        place.step_until_done(order)
        assert order.status == "Filled" and place.account.size("linear", "BTCUSDT") == Decimal("-0.01")


class TestExits:
    def opened(self, place: Place, category: str = "linear", side: str = "Buy", **more: Any) -> Order:
        price = last(place, category)
        up, down = str(price + 60), str(price - 60)
        take, stop = (up, down) if side == "Buy" else (down, up)
        qty = "10" if category == "inverse" else "0.01"
        fields = market(side, qty, category, SYMBOL[category], takeProfit=take, stopLoss=stop, orderLinkId="parent")
        return place.create({**fields, **more})

    @pytest.mark.parametrize("category", ["linear", "inverse"])
    @pytest.mark.parametrize("side", ["Buy", "Sell"])
    @pytest.mark.parametrize("wins", [True, False])
    def test_one_triggers_and_the_other_goes(self, place: Place, category: str, side: str, wins: bool) -> None:
        parent = self.opened(place, category, side)
        row = order_row(parent)
        assert (row["orderStatus"], row["tpslMode"], row["triggerDirection"]) == ("Filled", "Full", 0)
        take, stop = waiting(place)
        for order, kind in ((take, "TakeProfit"), (stop, "StopLoss")):
            row = order_row(order)
            assert (row["stopOrderType"], row["createType"], row["reduceOnly"], row["closeOnTrigger"]) == (
                kind, f"CreateBy{kind}", True, True
            )
            assert (row["side"] != side, row["parentOrderLinkId"], row["orderLinkId"]) == (True, "parent", "")
            assert (row["qty"], row["orderStatus"], row["orderType"]) == (order_row(parent)["qty"], "Untriggered", "Market")
        position = place.account.positions[category, SYMBOL[category], 0]
        shown = position_row(position, last(place, category))
        assert shown["takeProfit"] == order_row(parent)["takeProfit"] and shown["stopLoss"] == order_row(parent)["stopLoss"]
        place.desk.take_changes()
        hit, other = (take, stop) if wins else (stop, take)
        push(place, hit.trigger.price, category)  # type: ignore[union-attr]
        changes = [(each.id, each.status) for each in place.desk.take_changes().orders]
        assert [status for order_id, status in changes if order_id == hit.id] == ["Triggered", "New", "Filled"]
        assert (other.status, other.cancel_type) == ("Cancelled", "CancelByTpSlTsClear")
        assert position.size == 0 and (position.take_profit, position.stop_loss) == (0, 0) and waiting(place) == []

    def test_those_of_a_whole_position_follow_it(self, place: Place) -> None:
        self.opened(place)
        place.create(market("Buy", "0.02"))
        assert [order.size for order in waiting(place)] == [Decimal("0.03")] * 2
        place.create(market("Buy", "0.01", takeProfit=str(last(place) + 500)))  # replaces the price of one
        assert len(waiting(place)) == 2 and waiting(place)[0].trigger.price > last(place) + 400  # type: ignore[union-attr]
        place.create(market("Sell", "0.03", reduceOnly=True))
        assert [order.size for order in waiting(place)] == [Decimal("0.01")] * 2
        place.create(market("Sell", "0.01"))
        assert waiting(place) == []
        assert {order.cancel_type for order in place.desk.orders.values() if order.parent} == {"CancelByTpSlTsClear"}

    def test_partial_ones_are_of_what_filled(self, place: Place) -> None:
        place.create(market("Buy", "0.05"))
        price = last(place)
        self.opened(place, tpslMode="Partial", tpOrderType="Limit", tpLimitPrice=str(price + 50))
        take, stop = waiting(place)
        assert [order_row(order)["stopOrderType"] for order in (take, stop)] == ["PartialTakeProfit", "PartialStopLoss"]
        assert (take.type, take.price, take.size, stop.type) == ("Limit", price + 50, Decimal("0.01"), "Market")
        push(place, take.trigger.price)  # type: ignore[union-attr]
        place.step(3)
        assert (take.status, stop.status) == ("Filled", "Cancelled")
        assert place.account.size("linear", "BTCUSDT") == Decimal("0.05")

    def test_an_order_that_waits_in_the_book_has_them_from_its_fill(self, place: Place) -> None:
        price = place.best("Buy")
        order = place.create(limit("Buy", "0.01", price, takeProfit=str(price + 100), stopLoss=str(price - 100)))
        assert waiting(place) == []
        place.desk.amend("linear", place.named(order, stopLoss="0", takeProfit=str(price + 200)))
        assert order_row(order)["takeProfit"] == str(price + 200).rstrip("0").rstrip(".") and order_row(order)["stopLoss"] == ""
        place.step_until_done(order)
        (take,) = waiting(place)
        assert take.trigger.price == price + 200  # type: ignore[union-attr]

    def test_a_cancelled_order_leaves_none(self, place: Place) -> None:
        price = place.best("Buy") - 50
        order = place.create(limit("Buy", "0.01", price, takeProfit=str(price + 100)))
        place.desk.cancel("linear", place.named(order))
        place.step(5)
        assert waiting(place) == []

    def test_on_spot_one_cancels_the_other(self, place: Place) -> None:
        price = place.best("Sell", "spot")
        exits = {"takeProfit": str(price + 40), "stopLoss": str(price - 40)}
        place.create(limit("Buy", "0.01", price, "spot", **exits))
        take, stop = waiting(place)
        assert order_row(take)["stopOrderType"] == "OcoOrder" and take.size == stop.size == Decimal("0.0099")  # less the fee
        push(place, price + 40, "spot")
        assert (take.status, stop.status, stop.cancel_type) == ("Filled", "Deactivated", "CancelByOCOSlCanceledByTpTriggered")

    def test_of_options(self, place: Place) -> None:
        self.opened(place, "option")
        assert [order_row(order)["stopOrderType"] for order in waiting(place)] == ["TakeProfit", "StopLoss"]

    @pytest.mark.parametrize("category, change, code", [
        ("linear", {"takeProfit": "1"}, 10001), ("linear", {"stopLoss": "99999"}, 10001), ("linear", {"takeProfit": "x"}, 10001),
        ("linear", {"tpOrderType": "Limit", "tpLimitPrice": "70000"}, 10001), ("linear", {"tpslMode": "Half"}, 10001),
        ("linear", {"tpslMode": "Partial", "tpOrderType": "Limit"}, 10001), ("linear", {"slTriggerBy": "Last"}, 10001),
        ("linear", {"reduceOnly": True}, 10001), ("spot", {}, 10001),
    ])
    def test_refusals(self, place: Place, category: str, change: Dict[str, Any], code: int) -> None:
        with pytest.raises(Refused) as raised:
            self.opened(place, category, **{"qty": "1000" if category == "spot" else "0.01", **change})
        assert raised.value.code == code and place.desk.orders == {}

    def test_after_a_fill_they_are_not_amended_here(self, place: Place) -> None:
        price = place.best("Buy")
        order = place.create(limit("Buy", "40", price, takeProfit=str(price + 5000)))
        for _ in range(2000):
            if order.filled:
                break
            place.step()
        with pytest.raises(Refused, match="110059"):
            place.desk.amend("linear", place.named(order, takeProfit="0"))


class TestHedgeMode:
    def test_two_positions_of_a_symbol(self, place: Place) -> None:
        place.desk.set_mode("BTCUSDT", True)
        place.create(market("Buy", "0.03", positionIdx=1))
        place.create(market("Sell", "0.02", positionIdx=2))
        assert [place.account.size("linear", "BTCUSDT", index) for index in (0, 1, 2)] == [0, Decimal("0.03"), Decimal("-0.02")]
        order = place.create(market("Sell", "0.05", positionIdx=1))  # can only close
        assert (order.size, order.reduce_only) == (Decimal("0.03"), True)
        assert [place.account.size("linear", "BTCUSDT", index) for index in (1, 2)] == [0, Decimal("-0.02")]
        rows = [position_row(each, last(place)) for each in place.account.positions.values()]
        assert [(row["positionIdx"], row["side"]) for row in rows] == [(1, ""), (2, "Sell")]
        assert refused(place, market("Sell", "0.01", positionIdx=1)) == 110017

    def test_exits_of_one_leg_leave_the_other(self, place: Place) -> None:
        place.desk.set_mode("BTCUSDT", True)
        price = last(place)
        place.create(market("Buy", "0.03", positionIdx=1, stopLoss=str(price - 60)))
        place.create(market("Sell", "0.02", positionIdx=2, stopLoss=str(price + 60)))
        push(place, price + 60)
        assert [place.account.size("linear", "BTCUSDT", index) for index in (1, 2)] == [Decimal("0.03"), 0]
        assert [order.position_index for order in waiting(place)] == [1]

    @pytest.mark.parametrize("hedge, index", [(False, 1), (False, 2), (True, 0)])
    def test_the_wrong_index(self, place: Place, hedge: bool, index: int) -> None:
        if hedge:
            place.desk.set_mode("BTCUSDT", True)
        with pytest.raises(Refused, match="position idx not match position mode"):
            place.create(market("Buy", "0.01", positionIdx=index))
        assert refused(place, market("Buy", "0.01", "inverse", "BTCUSD", positionIdx=1)) == 10001

    def test_when_the_mode_cannot_be_changed(self, place: Place) -> None:
        def code(symbol: str, hedge: bool) -> int:
            with pytest.raises(Refused) as raised:
                place.desk.set_mode(symbol, hedge)
            return raised.value.code

        assert (code("BTCUSDT", False), code("NOPE", True), code("BTCUSD", True)) == (110025, 110029, 110029)
        order = place.create(conditional(place, "Buy", 500))
        assert code("BTCUSDT", True) == 110028
        place.desk.cancel("linear", place.named(order))
        place.create(market("Buy", "0.01"))
        assert code("BTCUSDT", True) == 110024


class TestIds:
    def test_options_need_one(self, place: Place) -> None:
        assert refused(place, market("Buy", "0.01", "option", SYMBOL["option"], orderLinkId="")) == 3100198

    def test_used_twice(self, place: Place) -> None:
        place.create(market("Buy", "0.01", orderLinkId="a"))
        assert refused(place, market("Buy", "0.01", orderLinkId="a")) == 110072
        assert refused(place, market("Sell", "0.01", "spot", orderLinkId="a")) == 170141
        place.desk._unique = False
        place.create(market("Buy", "0.01", orderLinkId="a"))
        open_one = place.create(limit("Buy", "0.01", place.best("Buy") - 50, orderLinkId="a"))
        assert refused(place, market("Buy", "0.01", orderLinkId="a")) == 110072
        assert place.desk.cancel("linear", {"symbol": "BTCUSDT", "orderLinkId": "a"}) is open_one


def test_a_bot_with_a_stop_over_its_sockets() -> None:
    rows = Recorder()
    with BybitVenue(symbols=FEW, rate=0) as venue, venue.client("private") as private, venue.client("trade") as trade:
        private.order_stream(rows)
        price = venue.trades("BTCUSDT")[-1].price
        result = trade.place_order(
            category="linear", symbol="BTCUSDT", side="Buy", orderType="Market", qty="0.01", stopLoss=price - 30,
            orderLinkId="mine",
        )
        with pytest.raises(VenueError, match="position idx not match position mode"):
            trade.place_order(category="linear", symbol="BTCUSDT", side="Buy", orderType="Market", qty="0.01", positionIdx=1)
        while venue.trades("BTCUSDT")[-1].price > price - 30:
            venue.market_order("BTCUSDT", "Sell", 5)
        seen = [(each.order_status, each.order_id) for update in rows.wait(2) for each in update.data]
        assert seen[0] == ("Filled", result.order_id) and [status for status, _ in seen[1:]] == [
            "Untriggered", "Triggered", "New", "Filled",
        ]
        stop: OrderUpdate = rows.items[-1].data[-1]
        assert (stop.stop_order_type, stop.parent_order_link_id, stop.reduce_only) == ("StopLoss", "mine", True)
        assert venue.positions() == [] and venue.handler_errors == 0
        venue.hedge_mode("BTCUSDT")
        trade.place_order(category="linear", symbol="BTCUSDT", side="Buy", orderType="Market", qty="0.01", positionIdx=1)
        (position,) = venue.positions()
        assert position.index == 1
        with pytest.raises(ValueError, match="110024"):
            venue.hedge_mode("BTCUSDT", False)
