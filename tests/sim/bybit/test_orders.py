"""The order life of the local Bybit venue by itself: matching, time in force, and numbers that add up."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any, Dict, List, Optional, Tuple

import pytest

from dbxsdk.sim.bybit.account import STARTING_BALANCES, Account, money, value_of
from dbxsdk.sim.bybit.order import Order
from dbxsdk.sim.bybit.parameters import Refused
from dbxsdk.sim.bybit.rows import execution_row, order_row, position_row, text, wallet_row
from dbxsdk.sim.bybit.stops import StopDesk
from dbxsdk.sim.market.book import DepthFeed
from dbxsdk.sim.market.market import Instrument, Market, SymbolMarket, instrument

from tests.sim.bybit.peers import limit, market

START_US = 1_700_000_000_000_000
STEP_US = 50_000
SYMBOL = {"linear": "BTCUSDT", "inverse": "BTCUSD", "spot": "BTCUSDT", "option": "BTC-31DEC27-70000-C-USDT"}


class Place:
    """One symbol in each category, and a desk."""

    def __init__(self, balances: Any = None, seed: int = 1) -> None:
        made = instrument("BTCUSDT", "BTC", "USDT")
        contract = Instrument("BTCUSD", "BTC", "USD", made.price, made.tick_size, Decimal(1))
        option = Instrument(SYMBOL["option"], "BTC", "USDT", Decimal(5000), Decimal(5), Decimal("0.01"))
        instruments = {"linear": made, "spot": made, "inverse": contract, "option": option}
        self.markets = {
            category: Market([each], seed=seed + number, start_us=START_US)
            for number, (category, each) in enumerate(instruments.items())
        }
        self.account = Account(balances)
        self.now_us = START_US
        self.desk = StopDesk(self.markets, self.account, seed, lambda: self.now_us)

    def market(self, category: str = "linear") -> SymbolMarket:
        return self.markets[category].symbols[SYMBOL[category]]

    def best(self, side: str, category: str = "linear") -> Decimal:
        """The best bid for ``"Buy"``, the best ask for ``"Sell"``."""
        return self.market(category).levels(1)["bids" if side == "Buy" else "asks"][0][0]

    def step(self, count: int = 1) -> List[Any]:
        steps = []
        for _ in range(count):
            self.now_us += STEP_US
            for category in self.markets:
                step = self.markets[category].step(self.now_us)
                if category == "linear":
                    steps.append(step)
            self.desk.settle()
        return steps

    def step_until_done(self, order: Order) -> None:
        for _ in range(2000):
            if not order.open:
                return
            self.step()
        raise AssertionError("never filled")

    def create(self, fields: Dict[str, Any]) -> Order:
        return self.desk.create(fields["category"], fields)

    def named(self, order: Order, **more: Any) -> Dict[str, Any]:
        return {"symbol": order.symbol, "orderId": order.id, **more}


@pytest.fixture
def place() -> Place:
    return Place()


def refusal(place: Place, fields: Dict[str, Any]) -> Tuple[int, str]:
    with pytest.raises(Refused) as caught:
        place.create(fields)
    return caught.value.code, caught.value.message


# -- taking ------------------------------------------------------------------------------------------------------------


def test_a_market_order_takes_the_levels_of_the_book(place: Place) -> None:
    asks = place.market().levels(3)["asks"]
    size = asks[0][1] + asks[1][1] + Decimal("0.0001")
    order = place.create(market("Buy", str(size)))
    assert (order.status, order.filled, order.left) == ("Filled", size, 0)
    fills = [(execution.price, execution.size) for execution in place.desk.executions]
    assert fills == [asks[0], asks[1], (asks[2][0], Decimal("0.0001"))]
    assert [execution.left for execution in place.desk.executions] == [size - asks[0][1], Decimal("0.0001"), 0]
    assert place.market().levels(1)["asks"][0] == (asks[2][0], asks[2][1] - Decimal("0.0001"))
    assert order.value == sum(price * size for price, size in fills)
    assert order.average_price == money(order.value / size)
    assert order.fees == {"USDT": sum(money(price * size * Decimal("0.00055")) for price, size in fills)}


def test_the_market_tells_of_it_with_its_next_step(place: Place) -> None:
    book = place.market().book
    feed = DepthFeed(book, 50)
    known = {tick: lots for side in feed.snapshot() for tick, lots in side}
    order = place.create(market("Sell", "2.5"))
    resting = place.create(limit("Buy", "0.7", place.best("Buy")))
    (step,) = place.step()
    fills = [execution for execution in place.desk.executions if execution.order_id == order.id]
    trades = step["BTCUSDT"][: len(fills)]
    assert [(trade.price, trade.size, trade.sequence, trade.buy) for trade in trades] == [
        (execution.price, execution.size, execution.sequence, False) for execution in fills
    ]
    ids = [trade.id for trade in step["BTCUSDT"]]
    assert ids == sorted(set(ids))
    assert list(place.market().history)[-len(ids):] == step["BTCUSDT"]
    for side in feed.advance():
        for tick, lots in side:
            known[tick] = lots
    truth = {tick: lots for side in (book.bids, book.asks) for tick, lots in side.levels(50)}
    assert {tick: lots for tick, lots in known.items() if lots} == truth
    assert resting.price in [price for price, _ in place.market().levels()["bids"]] or not resting.open


def test_a_limit_order_that_crosses_takes_up_to_its_price_and_waits_with_the_rest(place: Place) -> None:
    asks = place.market().levels(4)["asks"]
    price, size = asks[1][0], asks[0][1] + asks[1][1] + 1
    order = place.create(limit("Buy", str(size), price))
    assert (order.status, order.left) == ("PartiallyFilled", 1)
    assert place.market().levels(1) == {"bids": [(price, Decimal(1))], "asks": [asks[2]]}


def test_a_waiting_order_fills_when_the_market_trades_through_it(place: Place) -> None:
    order = place.create(limit("Buy", "0.5", place.best("Buy")))
    assert order.status == "New"
    place.step_until_done(order)
    assert (order.status, order.filled) == ("Filled", Decimal("0.5"))
    fills = place.desk.executions
    assert sum(execution.size for execution in fills) == order.filled
    assert all(execution.maker and execution.price == order.price for execution in fills)
    assert fills[-1].fee_rate == Decimal("0.0002")


def test_those_who_came_first_are_filled_first(place: Place) -> None:
    price = place.best("Buy")
    ahead = place.market().levels(1)["bids"][0][1]
    first = place.create(limit("Buy", "0.3", price))
    second = place.create(limit("Buy", "0.2", price))
    place.desk.trade("linear", "BTCUSDT", False, ahead)
    assert (first.filled, second.filled) == (0, 0)
    place.desk.trade("linear", "BTCUSDT", False, Decimal("0.4"))
    assert (first.status, second.status, second.filled) == ("Filled", "PartiallyFilled", Decimal("0.1"))
    place.desk.trade("linear", "BTCUSDT", False, Decimal("0.1"))
    assert second.status == "Filled"
    assert [execution.size for execution in place.desk.executions] == [Decimal("0.3"), Decimal("0.1"), Decimal("0.1")]


def test_a_trade_with_itself_has_two_executions_with_their_own_ids(place: Place) -> None:
    top = place.best("Sell")
    place.create(market("Buy", str(place.market().levels(1)["asks"][0][1])))  # so that nobody is before us at that price
    resting = place.create(limit("Sell", "0.2", top))
    taking = place.create(limit("Buy", "0.2", top))
    assert resting.status == taking.status == "Filled"
    taker, maker = place.desk.executions[-2:]
    assert (taker.order_id, maker.order_id) == (taking.id, resting.id)
    assert (taker.maker, maker.maker, taker.sequence) == (False, True, maker.sequence)
    ids = [execution.id for execution in place.desk.executions]
    assert len(set(ids)) == len(ids)


# -- time in force -----------------------------------------------------------------------------------------------------


def test_immediate_or_cancel(place: Place) -> None:
    asks = place.market().levels(1)["asks"]
    order = place.create(limit("Buy", str(asks[0][1] + 1), asks[0][0], timeInForce="IOC"))
    assert (order.status, order.reject_reason) == ("Cancelled", "EC_CancelForNoFullFill")
    assert (order.filled, order.left) == (asks[0][1], 0)
    order = place.create(limit("Buy", "1", place.best("Buy"), timeInForce="IOC"))
    assert (order.status, order.reject_reason, order.filled) == ("Cancelled", "EC_NoImmediateQtyToFill", 0)
    order = place.create(limit("Buy", str(place.market("spot").levels(1)["asks"][0][1] + 1), place.best("Sell", "spot"), "spot",
                               timeInForce="IOC"))
    assert (order.status, order.reject_reason) == ("PartiallyFilledCanceled", "EC_CancelForNoFullFill")


def test_fill_or_kill(place: Place) -> None:
    asks = place.market().levels(2)["asks"]
    before = place.market().levels()
    order = place.create(limit("Buy", str(asks[0][1] + Decimal("0.0001")), asks[0][0], timeInForce="FOK"))
    assert (order.status, order.reject_reason, order.filled) == ("Cancelled", "EC_NoEnoughQtyToFill", 0)
    assert place.market().levels() == before
    order = place.create(limit("Buy", str(asks[0][1] + asks[1][1]), asks[1][0], timeInForce="FOK"))
    assert order.status == "Filled"


def test_post_only(place: Place) -> None:
    order = place.create(limit("Buy", "1", place.best("Sell"), timeInForce="PostOnly"))
    assert (order.status, order.reject_reason) == ("Cancelled", "EC_PostOnlyWillTakeLiquidity")
    order = place.create(limit("Buy", "1", place.best("Buy"), timeInForce="PostOnly"))
    assert order.status == "New"
    place.desk.amend("linear", place.named(order, price=str(place.best("Sell"))))
    assert (order.status, place.desk.executions) == ("Cancelled", [])


def test_a_spot_market_order_spends_its_quote_amount(place: Place) -> None:
    order = place.create(market("Buy", "1000", "spot"))
    assert (order.status, order.reject_reason) == ("PartiallyFilledCanceled", "EC_CancelForNoFullFill")
    assert 0 < 1000 - order.value < Decimal("6.9")  # less than a lot more would cost
    row = order_row(order)
    assert (row["leavesQty"], row["leavesValue"], row["marketUnit"]) == ("0", text(1000 - order.value), "quoteCoin")
    exact = place.best("Sell", "spot") * Decimal("0.0001")
    assert place.create(market("Buy", text(exact), "spot")).status == "Filled"
    assert place.create(market("Buy", "0.25", "spot", marketUnit="baseCoin")).filled == Decimal("0.25")
    assert place.create(market("Sell", "0.25", "spot")).filled == Decimal("0.25")
    assert refusal(place, market("Buy", "1", "spot"))[0] == 170140


def test_a_market_order_ends_at_the_price_band_and_the_book_goes_on() -> None:
    place = Place({"USDT": 10**12, "BTC": 0})
    last = place.market().ticker().last
    order = place.create(market("Buy", "9999"))
    assert order.status == "Cancelled" and order.filled > 500
    assert last * Decimal("1.04") < place.desk.executions[-1].price <= last * Decimal("1.05")
    assert place.market().book.asks.tick(0) > place.market().book.bids.tick(0)
    place.step(50)
    assert place.market().book.asks.tick(0) > place.market().book.bids.tick(0)


# -- amending and cancelling -------------------------------------------------------------------------------------------


def test_cancel(place: Place) -> None:
    before = place.market().levels()
    order = place.create(limit("Buy", "0.5", place.best("Buy"), orderLinkId="c1"))
    assert place.market().levels() != before
    assert place.desk.cancel("linear", {"symbol": "BTCUSDT", "orderLinkId": "c1"}) is order
    assert (order.status, order.reject_reason, order.cancel_type) == ("Cancelled", "EC_PerCancelRequest", "CancelByUser")
    assert (order_row(order)["leavesQty"], place.account.holds) == ("0", {})
    assert place.market().levels() == before


@pytest.mark.parametrize("verb", ["cancel", "amend"])
@pytest.mark.parametrize("category, code", [("linear", 110001), ("spot", 170213)])
def test_orders_that_are_not_there(place: Place, verb: str, category: str, code: int) -> None:
    done = place.create(market("Buy", "1", category, marketUnit="baseCoin"))
    elsewhere = place.create(limit("Buy", "1", place.best("Buy", "inverse"), "inverse", "BTCUSD"))
    for ids in ({"orderId": "no-such"}, {"orderLinkId": "no-such"}, {"orderId": done.id}, {"orderId": elsewhere.id}):
        with pytest.raises(Refused) as caught:
            getattr(place.desk, verb)(category, {"symbol": "BTCUSDT", "qty": "2", **ids})
        assert caught.value.code == code
        if category == "linear":
            assert caught.value.message == f"order not exists or too late to {'replace' if verb == 'amend' else 'cancel'}"
    for ids in ({}, {"orderId": ""}, {"orderId": 5}):  # type: ignore[dict-item]
        with pytest.raises(Refused) as caught:
            getattr(place.desk, verb)(category, {"symbol": "BTCUSDT", "qty": "2", **ids})
        assert caught.value.code == 10001


def test_amend_size_and_price(place: Place) -> None:
    price = place.best("Buy")
    ahead = place.market().levels(1)["bids"][0][1]
    order = place.create(limit("Buy", "0.5", price))
    behind = place.create(limit("Buy", "0.1", price))
    place.desk.amend("linear", place.named(order, qty="0.3"))  # smaller: keeps its place
    assert place.market().levels(1)["bids"][0][1] == ahead + Decimal("0.4")
    place.desk.trade("linear", "BTCUSDT", False, ahead + Decimal("0.1"))
    assert (order.filled, behind.filled) == (Decimal("0.1"), 0)
    place.desk.amend("linear", place.named(order, qty="0.9"))  # larger: goes to the end of the queue
    place.desk.trade("linear", "BTCUSDT", False, Decimal("0.2"))
    assert (order.filled, order.left, behind.status) == (Decimal("0.2"), Decimal("0.7"), "Filled")
    asks = place.market().levels(1)["asks"]
    place.desk.amend("linear", place.named(order, price=str(asks[0][0]), qty=str(asks[0][1] + Decimal("0.2"))))
    assert (order.status, order.filled, order.price) == ("Filled", asks[0][1] + Decimal("0.2"), asks[0][0])


@pytest.mark.parametrize(
    "fields, code",
    [({}, 10001), ({"qty": "0.1"}, 10001), ({"qty": "0.5"}, 10001), ({"qty": "0"}, 10001), ({"qty": 1}, 10001),
     ({"price": "68000.05"}, 110003), ({"price": "99999"}, 110003), ({"qty": "9999"}, 110007), ({"triggerPrice": "1"}, 10001)],
)
def test_refused_amendments_change_nothing(place: Place, fields: Dict[str, Any], code: int) -> None:
    order = place.create(limit("Buy", "0.5", place.best("Buy")))
    place.desk.trade("linear", "BTCUSDT", False, place.market().levels(1)["bids"][0][1] - Decimal("0.4"))
    assert order.filled == Decimal("0.1")
    before = place.market().levels(), order_row(order), dict(place.account.holds)
    with pytest.raises(Refused) as caught:
        place.desk.amend("linear", place.named(order, **fields))
    assert caught.value.code == code
    assert (place.market().levels(), order_row(order), dict(place.account.holds)) == before


# -- refusals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change, code",
    [
        ({"symbol": "NOPEUSDT"}, 10001),
        ({"symbol": None}, 10001),
        ({"symbol": ["BTCUSDT"]}, 10001),
        ({"side": "buy"}, 10001),
        ({"side": None}, 10001),
        ({"orderType": "Stop"}, 10001),
        ({"timeInForce": "GTX"}, 10001),
        ({"qty": "0"}, 10001),
        ({"qty": "-1"}, 10001),
        ({"qty": "1e-3"}, 10001),
        ({"qty": 1}, 10001),
        ({"qty": 0.5}, 10001),
        ({"qty": None}, 10001),
        ({"qty": "0.00001"}, 10001),
        ({"price": "abc"}, 10001),
        ({"price": None}, 10001),
        ({"price": "68000.01"}, 110003),
        ({"price": "80000"}, 110003),
        ({"side": "Sell", "price": "50000"}, 110003),
        ({"orderLinkId": "x" * 37}, 10001),
        ({"orderLinkId": "a b"}, 10001),
        ({"orderLinkId": 7}, 10001),
        ({"reduceOnly": "true"}, 10001),
        ({"reduceOnly": True}, 110017),
        ({"positionIdx": 1}, 10001),
        ({"takeProfit": "60000"}, 10001),
        ({"triggerPrice": "70000"}, 10001),
        ({"bboLevel": "1"}, 10001),
        ({"orderFilter": "StopOrder"}, 10001),
        ({"qty": "200"}, 110007),
    ],
)
def test_refused_orders_leave_no_trace(place: Place, change: Dict[str, Any], code: int) -> None:
    before = place.market().levels()
    assert refusal(place, {**limit("Buy", "0.1", "68000"), **change})[0] == code
    assert (place.desk.orders, place.account.holds, place.market().levels()) == ({}, {}, before)


@pytest.mark.parametrize(
    "change, code",
    [
        ({"symbol": "NOPEUSDT"}, 170121),
        ({"qty": "0.00001"}, 170137),
        ({"price": "68000.01"}, 170134),
        ({"price": "80000"}, 170193),
        ({"side": "Sell", "price": "50000"}, 170194),
        ({"qty": "20"}, 170131),
        ({"side": "Sell", "qty": "21"}, 170131),
    ],
)
def test_refused_spot_orders(place: Place, change: Dict[str, Any], code: int) -> None:
    assert refusal(place, {**limit("Buy", "0.1", "68000", "spot"), **change})[0] == code


def test_a_link_id_is_used_once(place: Place) -> None:
    order = place.create(limit("Buy", "0.1", place.best("Buy"), orderLinkId="one"))
    place.desk.cancel("linear", place.named(order))
    assert refusal(place, limit("Buy", "0.1", place.best("Buy"), orderLinkId="one")) == (110072, "OrderLinkedID is duplicate")
    assert refusal(place, limit("Buy", "0.1", place.best("Buy", "spot"), "spot", orderLinkId="one"))[0] == 170141


def test_funds_are_held_by_waiting_orders() -> None:
    place = Place({"USDT": "1000", "BTC": "0.1"})
    price = place.best("Buy", "spot") - 100
    spot = place.create(limit("Buy", "0.0100", price, "spot"))
    assert (place.account.locked("USDT"), place.account.available("USDT")) == (price / 100, 1000 - price / 100)
    assert refusal(place, limit("Buy", "0.0100", price, "spot"))[0] == 170131
    assert refusal(place, market("Buy", "400", "spot"))[0] == 170131
    contract = place.create(limit("Buy", "0.0400", place.best("Buy") - 100))
    assert place.account.order_margin("USDT") == contract.price * Decimal("0.04") / 10
    assert refusal(place, limit("Buy", "0.0400", place.best("Buy") - 100)) == (110007, "ab not enough for new order")
    place.desk.cancel("linear", place.named(contract))
    place.desk.cancel("spot", place.named(spot))
    assert (place.account.available("USDT"), place.account.holds) == (1000, {})


def test_reduce_only(place: Place) -> None:
    place.create(market("Buy", "1"))
    assert refusal(place, market("Buy", "1", reduceOnly=True))[0] == 110017
    waiting = place.create(limit("Sell", "5", place.best("Sell") + 50, reduceOnly=True))
    assert (waiting.size, place.account.order_margin("USDT")) == (1, 0)
    place.create(market("Sell", "0.4"))
    assert (waiting.size, waiting.status) == (Decimal("0.6"), "New")
    place.create(market("Sell", "5", reduceOnly=True))
    assert place.account.size("linear", "BTCUSDT") == 0
    assert (waiting.status, waiting.cancel_type, waiting.left) == ("Cancelled", "CancelByReduceOnly", 0)


# -- positions and balances --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("category, size, less", [("linear", "1.5", "0.5"), ("inverse", "3000", "1000")])
def test_a_position_opens_shrinks_turns_and_closes(place: Place, category: str, size: str, less: str) -> None:
    coin = "USDT" if category == "linear" else "BTC"
    symbol = SYMBOL[category]

    def position() -> Any:
        return place.account.positions[category, symbol, 0]

    opened = place.create(market("Buy", size, category, symbol))
    assert (position().size, position().entry_price) == (Decimal(size), opened.average_price)
    place.step(200)
    part = place.create(market("Sell", less, category, symbol))
    assert position().entry_price == opened.average_price
    sign = 1 if category == "linear" else -1
    gain = sign * (
        value_of(category, Decimal(less), part.average_price or 0) - value_of(category, Decimal(less), opened.average_price or 0)
    )
    assert abs(part.profit - gain) < Decimal("0.001")
    turned = place.create(market("Sell", size, category, symbol))
    assert position().size == -Decimal(less)
    assert place.desk.executions[-1].closed < turned.size
    closing = place.create(market("Buy", less, category, symbol))
    assert (position().size, position().cost, position().margin) == (0, 0, 0)
    orders = (opened, part, turned, closing)
    profit = sum(order.profit for order in orders) - sum(order.fees[coin] for order in orders)
    assert profit == position().realised == place.account.realised[coin]
    assert place.account.balance(coin) == Decimal(STARTING_BALANCES[coin]) + profit
    row = position_row(position(), place.market(category).ticker().last)
    assert (row["side"], row["size"], row["entryPrice"], row["unrealisedPnl"]) == ("", "0", "0", "0")


def test_an_option_is_paid_for(place: Place) -> None:
    symbol = SYMBOL["option"]
    bought = place.create(market("Buy", "0.5", "option", symbol))
    sold = place.create(limit("Sell", "0.2", place.best("Buy", "option"), "option", symbol))
    assert sold.status == "Filled"
    flow = sold.value - bought.value - bought.fees["USDT"] - sold.fees["USDT"]
    assert place.account.balance("USDT") == 1_000_000 + flow
    assert place.account.size("option", symbol) == Decimal("0.3")


def rebuilt(place: Place) -> Dict[str, Decimal]:
    """The balances that the rows of the executions sum to."""
    sums = {coin: Decimal(amount) for coin, amount in STARTING_BALANCES.items()}
    for execution in place.desk.executions:
        row = execution_row(execution)
        buy, size, value = row["side"] == "Buy", Decimal(row["execQty"]), Decimal(row["execValue"])
        sums[row["feeCurrency"]] -= Decimal(row["execFee"])
        coin = "BTC" if row["category"] == "inverse" else "USDT"
        if row["category"] == "spot":
            sums["BTC"] += size if buy else -size
        if row["category"] in ("spot", "option"):
            sums[coin] += -value if buy else value
        else:
            sums[coin] += Decimal(row["execPnl"])
    return sums


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_the_numbers_add_up(seed: int) -> None:
    place, rng = Place(seed=seed), random.Random(seed)
    rows: Dict[str, Dict[str, Any]] = {}
    for _ in range(600):
        category = rng.choice(list(SYMBOL))
        symbol, traded = SYMBOL[category], place.market(category).instrument
        lots = rng.choice((1, 50, 500, 5000, 20000)) * (1 if category != "inverse" else 10)
        if category == "option":
            lots = min(lots, 500)
        side = rng.choice(("Buy", "Sell"))
        price = place.best(side, category) + traded.tick_size * rng.randint(-20, 20)
        what = rng.random()
        live = [order for order in place.desk.orders.values() if order.open]
        order: Optional[Order] = rng.choice(live) if live else None
        size = text(traded.size_of(lots))
        try:
            if what < 0.35:
                tif = rng.choice(("GTC", "GTC", "IOC", "FOK", "PostOnly"))
                place.create(limit(side, size, price, category, symbol, timeInForce=tif, reduceOnly=rng.random() < 0.1))
            elif what < 0.5:
                more: Dict[str, Any] = {"marketUnit": "baseCoin"}
                if category != "option" and rng.random() < 0.4:
                    up = rng.random() < 0.5
                    trigger = str(price + (1 if up else -1) * traded.tick_size * rng.randint(1, 80))
                    more.update({"triggerPrice": trigger, "triggerDirection": 1 if up else 2})
                    more.update({"orderFilter": rng.choice(("tpslOrder", "StopOrder"))} if category == "spot" else {})
                elif category in ("linear", "inverse") and rng.random() < 0.5:
                    away = traded.tick_size * rng.randint(1, 60) * (1 if side == "Buy" else -1)
                    more.update({"takeProfit": str(price + away * 2), "stopLoss": str(price - away)})
                    more["tpslMode"] = rng.choice(("Full", "Partial"))
                place.create(market(side, size, category, symbol, **more))
            elif what < 0.6 and order is not None:
                place.desk.cancel(order.category, place.named(order))
            elif what < 0.75 and order is not None:
                moved = order.price + place.market(order.category).instrument.tick_size * rng.randint(-9, 9)
                place.desk.amend(order.category, place.named(order, price=str(moved), qty=text(order.size * rng.choice((1, 2)))))
            else:
                place.step()
        except Refused as refused:
            assert refused.code in (
                10001, 110003, 110007, 110009, 110017, 110092, 110093, 170131, 170193, 170194, 170203, 170213, 170810,
            )
        rows.update((row["orderId"], row) for row in map(order_row, place.desk.take_changes().orders))
    assert len(place.desk.executions) > 200
    assert {coin: place.account.balance(coin) for coin in STARTING_BALANCES} == rebuilt(place)
    ids = [execution.id for execution in place.desk.executions]
    assert len(set(ids)) == len(ids)
    for order in place.desk.orders.values():
        fills = [execution for execution in place.desk.executions if execution.order_id == order.id]
        assert order.filled == sum(execution.size for execution in fills)
        assert order.value == sum(execution.value for execution in fills)
        assert sum(order.fees.values()) == sum(execution.fee for execution in fills)
        assert rows[order.id] == order_row(order)  # the last row pushed is the truth
        assert order.id in place.account.holds or not order.left or order.reduce_only or order.waiting or order.category != "spot"
    for category in ("linear", "inverse", "option"):
        bought = sum(
            execution.size if execution.order.buy else -execution.size
            for execution in place.desk.executions
            if execution.order.category == category
        )
        assert place.account.size(category, SYMBOL[category]) == bought
    for category in SYMBOL:  # what waits in the books is what the orders say
        for side, bids in ((place.market(category).book.bids, True), (place.market(category).book.asks, False)):
            waiting: Dict[int, int] = {}
            for order in place.desk.orders.values():
                if order.open and not order.waiting and order.category == category and order.buy is bids:
                    made = place.market(category).instrument
                    tick = int(order.price / made.tick_size)
                    waiting[tick] = waiting.get(tick, 0) + int(order.left / made.lot_size)
            assert {tick: side.pinned(tick) for tick, _ in side.levels() if side.pinned(tick)} == waiting
        book = place.market(category).book
        assert book.bids.tick(0) < book.asks.tick(0)


def test_many_far_orders_do_not_disturb_the_makers(place: Place) -> None:
    for number in range(500):
        place.create(limit("Buy", "0.0001", place.best("Buy") - 1000 - number))
        place.create(limit("Sell", "0.0001", place.best("Sell") + 1000 + number))
    place.step(300)
    for side in (place.market().book.bids, place.market().book.asks):
        assert 120 <= side.loose <= 300 and len(side) >= 500 + side.loose
    assert all(order.status == "New" for order in place.desk.orders.values())
    for order in list(place.desk.orders.values()):
        place.desk.cancel("linear", place.named(order))
    assert place.market().book.bids.loose == len(place.market().book.bids)


def test_the_same_requests_give_the_same_course() -> None:
    courses = []
    for _ in range(2):
        place = Place()
        place.create(limit("Buy", "0.5", place.best("Buy")))
        place.create(market("Sell", "3"))
        place.step(100)
        courses.append((list(place.desk.orders.values()), place.desk.executions, place.market().levels()))
    assert courses[0] == courses[1]


def test_the_wallet_row(place: Place) -> None:
    place.create(market("Buy", "0.2", "spot", marketUnit="baseCoin"))
    place.create(market("Buy", "2"))
    place.create(limit("Sell", "1", place.best("Sell", "spot") + 100, "spot"))
    place.step(100)
    last = place.market().ticker().last
    row = wallet_row(place.account, ["USDT", "BTC"], lambda coin: last if coin == "BTC" else Decimal(1), lambda position: last)
    coins = {each["coin"]: {key: value for key, value in each.items() if key != "coin"} for each in row["coin"]}
    assert coins["BTC"]["locked"] == "1" and coins["USDT"]["locked"] == "0"
    assert Decimal(coins["USDT"]["equity"]) == Decimal(coins["USDT"]["walletBalance"]) + Decimal(coins["USDT"]["unrealisedPnl"])
    assert Decimal(coins["USDT"]["walletBalance"]) == place.account.balance("USDT")
    assert Decimal(row["totalPerpUPL"]) == Decimal(coins["USDT"]["unrealisedPnl"]).quantize(Decimal("0.01"))


@pytest.mark.parametrize("number, plain", [("0E-8", "0"), ("1E+3", "1000"), ("1.500", "1.5"), ("-0.0", "0"), ("10", "10")])
def test_plain_text(number: str, plain: str) -> None:
    assert text(Decimal(number)) == plain
