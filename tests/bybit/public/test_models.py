"""Models against documents as the venue describes them; every value is made up."""

from __future__ import annotations

from decimal import Decimal as D
from typing import Any, Dict

import attrs
import pytest

from dbxsdk.bybit.public import channels, models, ticker_models
from dbxsdk.errors import ProtocolError
from tests.reading import whole

BOOK = {"s": "ABCUSDT", "b": [["10.10", "3"], ["10.00", "0.000"]], "a": [], "u": 77, "seq": 4242}
TRADE = {"T": 1700000000123, "s": "ABCUSDT", "S": "Sell", "v": "0.50", "p": "10.10", "i": "9007199254740993001"}
KLINE = {
    "start": 1700000100000, "end": 1700000399999, "interval": "5", "open": "10", "close": "11.5", "high": "12",
    "low": "9.75", "volume": "1000.5", "turnover": "10750.25", "confirm": True, "timestamp": 1700000399001,
}
LIQUIDATION = {"T": 1700000000456, "s": "ABCUSDT", "S": "Buy", "v": "12", "p": "9.01"}
LATEST_LIQUIDATION = {"updatedTime": 1700000000456, "symbol": "ABCUSDT", "side": "Buy", "size": "12", "price": "9.01"}
POOL = {"coin": "USDT", "symbols": "ABCUSDT", "balance": "-12.5", "updateTime": "1700000000789"}
ALERT = {
    "c": "USDT", "s": "ABCUSDT", "b": "1000.5", "mb": "", "i_pr": "-0.3", "pr": "0.125", "adl_tt": "10000", "adl_sr": "-0.25",
}
LIMIT = {"symbol": "ABCUSDT", "buyLmt": "10.50", "sellLmt": "9.50"}
STATUS = {
    "id": "x-1", "title": "Upgrade", "state": "scheduled", "begin": "1700000000000", "end": "1700003600000",
    "href": "https://example.org/x-1", "serviceTypes": [2, 3], "product": [1, 4], "uidSuffix": [], "maintainType": 1, "env": 2,
}


def frame(data: Any, type_: Any = "snapshot", **envelope: Any) -> Dict[str, Any]:
    return {"topic": "any", "ts": 1700000000000, "type": type_, "data": data, **envelope}


class TestOrderBook:
    def test_reads_levels_as_exact_decimals_in_wire_order(self) -> None:
        book = channels.orderbook(50).read(frame(BOOK, cts=1699999999990))
        assert book == models.OrderBookUpdate(
            symbol="ABCUSDT", bids=((D("10.10"), D(3)), (D(10), D(0))), asks=(), update_id=77, sequence=4242,
            matching_time_ms=1699999999990,
        )
        assert str(book.bids[0][0]) == "10.10"

    def test_old_captures_have_no_matching_time(self) -> None:
        assert channels.orderbook(50).read(frame(BOOK)).matching_time_ms is None

    @pytest.mark.parametrize("key", ["s", "b", "a", "u", "seq"])
    def test_needs(self, key: str) -> None:
        with pytest.raises(ProtocolError, match=repr(key)):
            channels.orderbook(50).read(frame({k: v for k, v in BOOK.items() if k != key}))

    @pytest.mark.parametrize("levels", [
        [["1"]], [["1", "2", "3"]], [[1, None]], [["x", "1"]], [["1", "NaN"]], [["1", "Infinity"]], "ab", 5, [5], [[[], []]],
        [["1", True]],
    ])
    def test_bad_levels(self, levels: Any) -> None:
        with pytest.raises(ProtocolError):
            whole(channels.orderbook(50).read(frame({**BOOK, "b": levels})))

    @pytest.mark.parametrize("type_", [None, "", "update", 1, ["snapshot"], {}])
    def test_without_a_type_nobody_could_apply_it(self, type_: Any) -> None:
        with pytest.raises(ProtocolError, match="snapshot nor delta"):
            channels.orderbook(50).read(frame(BOOK, type_))

    @pytest.mark.parametrize("data", [None, [], "x", 1, [BOOK]])
    def test_data_of_another_kind(self, data: Any) -> None:
        with pytest.raises(ProtocolError, match="expected an object, not"):
            channels.orderbook(50).read(frame(data))

    def test_rpi_levels_are_triples(self) -> None:
        data = {**BOOK, "b": [["10.1", "3", "0"], ["10", "0", "0.25"]], "a": [["10.2", "0", "0"]]}
        book = channels.RPI_ORDERBOOK.read(frame(data, "delta", cts=5))
        assert book.bids == ((D("10.1"), D(3), D(0)), (D(10), D(0), D("0.25")))
        assert book.asks == ((D("10.2"), D(0), D(0)),)
        assert (book.update_id, book.sequence, book.matching_time_ms) == (77, 4242, 5)

    def test_rpi_wants_triples(self) -> None:
        with pytest.raises(ProtocolError):
            whole(channels.RPI_ORDERBOOK.read(frame(BOOK)))


class TestTrades:
    def test_the_least_that_the_venue_sends(self) -> None:
        (trade,) = channels.TRADES.read([TRADE])
        assert trade == models.Trade(
            time_ms=1700000000123, symbol="ABCUSDT", side="Sell", size=D("0.50"), price=D("10.10"),
            trade_id="9007199254740993001",
        )

    def test_contract_fields(self) -> None:
        (trade,) = channels.TRADES.read([{**TRADE, "L": "ZeroPlusTick", "BT": False, "RPI": True, "seq": 99}])
        assert (trade.tick_direction, trade.is_block_trade, trade.is_rpi, trade.sequence) == ("ZeroPlusTick", False, True, 99)

    def test_option_fields(self) -> None:
        (trade,) = channels.TRADES.read([{**TRADE, "mP": "1.5", "iP": "20000", "mIv": "0.51", "iv": "0.5", "BT": True}])
        assert (trade.mark_price, trade.index_price, trade.mark_iv, trade.iv) == (D("1.5"), D(20000), D("0.51"), D("0.5"))
        assert trade.is_rpi is None

    def test_many_in_order(self) -> None:
        trades = channels.TRADES.read([{**TRADE, "i": str(n)} for n in range(1024)])
        assert [trade.trade_id for trade in trades] == [str(n) for n in range(1024)]

    def test_unknown_keys_do_no_harm(self) -> None:
        assert len(channels.TRADES.read([{**TRADE, "new": {"deep": []}}])) == 1

    @pytest.mark.parametrize("key", sorted(TRADE))
    def test_needs(self, key: str) -> None:
        with pytest.raises(ProtocolError, match=repr(key)):
            channels.TRADES.read([{k: v for k, v in TRADE.items() if k != key}])

    @pytest.mark.parametrize("change", [{"T": "x"}, {"T": 1.5}, {"i": 7}, {"BT": "true"}, {"p": "-"}, {"s": []}, {"v": {}}])
    def test_wrong_types(self, change: Dict[str, Any]) -> None:
        with pytest.raises(ProtocolError):
            whole(channels.TRADES.read([{**TRADE, **change}]))

    @pytest.mark.parametrize("data", [None, {}, "x", 3, [None], [[]]])
    def test_data_of_another_kind(self, data: Any) -> None:
        with pytest.raises(ProtocolError):
            channels.TRADES.read(data)


class TestTickers:
    def test_contract_snapshot(self) -> None:
        ticker = ticker_models.read_contract_ticker(frame({
            "symbol": "ABCUSDT", "tickDirection": "PlusTick", "price24hPcnt": "-0.01", "lastPrice": "10.1",
            "prevPrice24h": "10.2", "highPrice24h": "11", "lowPrice24h": "9", "prevPrice1h": "10",
            "markPrice": "10.11", "indexPrice": "10.12",
            "openInterest": "500", "openInterestValue": "5055", "singleOpenInterest": "250", "singleOpenInterestValue": "2527.5",
            "turnover24h": "1000.5", "volume24h": "99", "nextFundingTime": "1700006400000", "fundingRate": "0.0001",
            "fundingIntervalHour": "8", "fundingCap": "0.005", "bid1Price": "10.09", "bid1Size": "3", "ask1Price": "10.10",
            "ask1Size": "4", "preOpenPrice": "", "preQty": "", "curPreListingPhase": "",
        }, cs=31))
        assert ticker.symbol == "ABCUSDT" and ticker.cross_sequence == 31
        assert (ticker.bid1_price, ticker.bid1_size, ticker.ask1_price, ticker.ask1_size) == (D("10.09"), D(3), D("10.10"), D(4))
        assert (ticker.high_price_24h, ticker.low_price_24h, ticker.prev_price_1h) == (D(11), D(9), D(10))
        assert (ticker.price_24h_pcnt, ticker.volume_24h, ticker.turnover_24h) == (D("-0.01"), D(99), D("1000.5"))
        assert (ticker.next_funding_time, ticker.funding_rate, ticker.funding_interval_hour) == (1700006400000, D("0.0001"), D(8))
        assert (ticker.single_open_interest, ticker.single_open_interest_value) == (D(250), D("2527.5"))
        assert ticker.pre_open_price is None and ticker.pre_qty is None and ticker.cur_pre_listing_phase == ""
        assert ticker.delivery_time is None
        assert "symbol" not in ticker.changed and "cross_sequence" not in ticker.changed
        assert {"bid1_price", "pre_qty", "funding_cap"} <= set(ticker.changed)

    def test_dated_future(self) -> None:
        ticker = ticker_models.read_contract_ticker(frame({
            "symbol": "ABC-25DEC99", "deliveryTime": "2099-12-25T08:00:00Z", "basisRate": "0.06", "basisRateYear": "0.3",
            "basis": "7000", "deliveryFeeRate": "0", "predictedDeliveryPrice": "0", "nextFundingTime": "", "fundingRate": "",
        }))
        assert ticker.delivery_time == "2099-12-25T08:00:00Z"
        assert (ticker.basis_rate, ticker.basis_rate_year, ticker.basis) == (D("0.06"), D("0.3"), D(7000))
        assert (ticker.delivery_fee_rate, ticker.predicted_delivery_price) == (D(0), D(0))
        assert ticker.next_funding_time is None and ticker.funding_rate is None

    def test_spot(self) -> None:
        ticker = ticker_models.read_spot_ticker(frame({
            "symbol": "ABCUSDT", "lastPrice": "10", "highPrice24h": "11", "lowPrice24h": "9", "prevPrice24h": "10.5",
            "volume24h": "1", "turnover24h": "10", "price24hPcnt": "0.02", "usdIndexPrice": "",
        }, cs=8))
        assert ticker == ticker_models.SpotTicker(
            symbol="ABCUSDT", cross_sequence=8, last_price=D(10), high_price_24h=D(11), low_price_24h=D(9),
            prev_price_24h=D("10.5"), volume_24h=D(1), turnover_24h=D(10), price_24h_pcnt=D("0.02"),
            usd_index_price=None, changed=ticker.changed,
        )
        assert len(ticker.changed) == 8

    def test_option(self) -> None:
        numbers = {
            "bidPrice": "1", "bidSize": "2", "bidIv": "0.4", "askPrice": "3", "askSize": "4", "askIv": "0.6", "lastPrice": "2",
            "highPrice24h": "5", "lowPrice24h": "1", "markPrice": "2.2", "indexPrice": "100", "markPriceIv": "0.5",
            "underlyingPrice": "101", "openInterest": "7", "turnover24h": "8", "volume24h": "9", "totalVolume": "10",
            "totalTurnover": "11", "delta": "-0.25", "gamma": "0.01", "vega": "0.02", "theta": "-0.03",
            "predictedDeliveryPrice": "0", "change24h": "0.07",
        }
        ticker = ticker_models.read_option_ticker(frame({"symbol": "ABC-25DEC99-0.4-P-USDT", **numbers}))
        assert sum(isinstance(value, D) for value in attrs.astuple(ticker)) == len(numbers)
        assert (ticker.bid_iv, ticker.mark_price_iv) == (D("0.4"), D("0.5"))
        assert (ticker.change_24h, ticker.delta) == (D("0.07"), D("-0.25"))

    def test_option_without_predicted_delivery_price(self) -> None:
        assert ticker_models.read_option_ticker(frame({"symbol": "X"})).predicted_delivery_price is None

    def test_spread_prices_may_be_negative_or_missing(self) -> None:
        ticker = ticker_models.read_spread_ticker(frame({
            "symbol": "ABCUSDT_ABC/USDT", "bidPrice": "-2.5", "bidSize": "1", "askPrice": "", "askSize": "", "lastPrice": "-2",
            "highPrice24h": "0", "lowPrice24h": "-3", "prevPrice24h": "-1", "volume24h": "5",
        }))
        assert (ticker.bid_price, ticker.ask_price, ticker.low_price_24h) == (D("-2.5"), None, D(-3))

    @pytest.mark.parametrize("read", [
        ticker_models.read_contract_ticker, ticker_models.read_spot_ticker,
        ticker_models.read_option_ticker, ticker_models.read_spread_ticker,
    ])
    def test_only_the_symbol_is_needed(self, read: Any) -> None:
        assert read(frame({"symbol": "X"}, "delta")).changed == ()
        for bad in (frame({}), frame({"symbol": 1}), frame([]), frame(None), frame({"symbol": "X"}, None)):
            with pytest.raises(ProtocolError):
                whole(read(bad))

    def test_bad_number(self) -> None:
        with pytest.raises(ProtocolError, match="lastPrice"):
            ticker_models.read_contract_ticker(frame({"symbol": "X", "lastPrice": "cheap"}))

    @pytest.mark.parametrize("mark", [5, None, "text", ["lastPrice"], [[]], {"lastPrice": 1}])
    def test_a_key_of_the_venues_that_is_our_mark(self, mark: Any) -> None:
        mark = {ticker_models.CHANGED: mark}
        data = {"symbol": "ABCUSDT", "lastPrice": "10"}
        ticker = ticker_models.read_spot_ticker({"type": "snapshot", "data": {**data, **mark}, **mark})
        assert ticker.changed == ("last_price",) and ticker.last_price == D(10)


class TestOthers:
    def test_kline(self) -> None:
        (kline,) = channels.kline(1).read([KLINE])
        assert kline == models.Kline(
            start=1700000100000, end=1700000399999, interval="5", open=D(10), close=D("11.5"), high=D(12), low=D("9.75"),
            volume=D("1000.5"), turnover=D("10750.25"), confirm=True, timestamp=1700000399001,
        )

    def test_liquidation(self) -> None:
        assert channels.LIQUIDATIONS.read([LIQUIDATION]) == (
            models.Liquidation(time_ms=1700000000456, symbol="ABCUSDT", side="Buy", size=D(12), price=D("9.01")),
        )

    def test_latest_liquidation(self) -> None:
        assert channels.CHANNELS["linear"]["liquidation"].read(LATEST_LIQUIDATION) == models.LatestLiquidation(
            updated_time=1700000000456, symbol="ABCUSDT", side="Buy", size=D(12), price=D("9.01"),
        )

    def test_insurance_pool(self) -> None:
        assert channels.INSURANCE.read([POOL]) == (
            models.InsurancePool(coin="USDT", symbols="ABCUSDT", balance=D("-12.5"), update_time=1700000000789),
        )

    def test_adl_alert_of_texts(self) -> None:
        assert channels.ADL_ALERTS.read([ALERT]) == (models.AdlAlert(
            coin="USDT", symbol="ABCUSDT", balance=D("1000.5"), max_balance=None, trigger_ratio=D("-0.3"),
            drawdown_ratio=D("0.125"), trigger_balance=D(10000), stop_ratio=D("-0.25"),
        ),)

    def test_adl_alert_of_numbers_keeps_their_shortest_text(self) -> None:
        numbers = {"b": -54.1, "mb": -0.3, "i_pr": -0.3, "pr": 0, "adl_tt": 10000, "adl_sr": -0.25}
        (alert,) = channels.ADL_ALERTS.read([{**ALERT, **numbers}])
        assert (alert.balance, alert.max_balance, alert.trigger_ratio) == (D("-54.1"), D("-0.3"), D("-0.3"))
        assert (alert.drawdown_ratio, alert.trigger_balance) == (D(0), D(10000))

    def test_price_limit(self) -> None:
        assert channels.PRICE_LIMITS.read(LIMIT) == models.PriceLimit(symbol="ABCUSDT", buy_lmt=D("10.50"), sell_lmt=D("9.50"))

    def test_system_status(self) -> None:
        (status,) = channels.SYSTEM_STATUS.read([STATUS])
        assert (status.begin, status.end, status.service_types, status.product) == (1700000000000, 1700003600000, (2, 3), (1, 4))
        assert (status.uid_suffix, status.maintain_type, status.env) == ((), 1, 2)

    def test_system_status_with_texts_for_numbers(self) -> None:
        (status,) = channels.SYSTEM_STATUS.read([{**STATUS, "maintainType": "3", "env": "1", "end": ""}])
        assert (status.maintain_type, status.env, status.end) == (3, 1, None)

    @pytest.mark.parametrize("read, document", [
        (channels.kline(1).read, [KLINE]), (channels.LIQUIDATIONS.read, [LIQUIDATION]), (channels.INSURANCE.read, [POOL]),
        (channels.PRICE_LIMITS.read, LIMIT), (channels.CHANNELS["linear"]["liquidation"].read, LATEST_LIQUIDATION),
    ])
    def test_every_field_is_needed(self, read: Any, document: Any) -> None:
        one = document[0] if isinstance(document, list) else document
        for key in one:
            less = {k: v for k, v in one.items() if k != key}
            with pytest.raises(ProtocolError, match=repr(key)):
                read([less] if isinstance(document, list) else less)

    @pytest.mark.parametrize("key", ["c", "s", "b", "i_pr", "pr", "adl_tt", "adl_sr"])
    def test_adl_alert_needs(self, key: str) -> None:
        with pytest.raises(ProtocolError):
            channels.ADL_ALERTS.read([{k: v for k, v in ALERT.items() if k != key}])

    @pytest.mark.parametrize("change", [{"serviceTypes": 3}, {"product": ["x"]}, {"uidSuffix": [None]}, {"state": 1}])
    def test_bad_system_status(self, change: Dict[str, Any]) -> None:
        with pytest.raises(ProtocolError):
            channels.SYSTEM_STATUS.read([{**STATUS, **change}])

    @pytest.mark.parametrize("model", [
        models.OrderBookUpdate, models.RpiOrderBookUpdate, models.Trade, ticker_models.ContractTicker, ticker_models.SpotTicker,
        ticker_models.OptionTicker, ticker_models.SpreadTicker, models.Kline, models.Liquidation, models.LatestLiquidation,
        models.InsurancePool, models.AdlAlert, models.PriceLimit, models.SystemStatus,
    ])
    def test_models_are_frozen_and_documented(self, model: Any) -> None:
        assert "Source:" in model.__doc__
        assert attrs.has(model)
        blank = model(**{field.name: None for field in attrs.fields(model)})
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(blank, attrs.fields(model)[0].name, 1)
