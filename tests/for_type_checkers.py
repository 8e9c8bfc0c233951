"""What a type checker is to tell users, and what not. Checked by mypy in strict mode and never run: where an expected
error does not come, its ``type: ignore`` is unused, and that is an error."""

from typing import Any, Dict, Tuple

import dbxsdk
from dbxsdk import bybit, cryptomus, dbot, digifinex
from dbxsdk.digifinex import swap
from dbxsdk.bybit.public.models import OrderBookUpdate, Trade
from dbxsdk.cryptomus import Deal
from dbxsdk.dbot import PairInfo


def on_trades(update: dbxsdk.Update[Tuple[Trade, ...]]) -> None:
    for trade in update.data:
        print(trade.price)
        print(trade.prise)  # type: ignore[attr-defined]


def on_book(update: dbxsdk.Update[OrderBookUpdate]) -> None:
    print(update.data.bids)


def on_document(document: Dict[str, Any]) -> None:
    print(document["topic"])


def on_deal(update: dbxsdk.Update[Deal]) -> None:
    print(update.symbol)


def public(client: dbxsdk.BybitPublicClient, interval: int) -> None:
    client.trade_stream("BTCUSDT", on_trades)
    client.trade_stream("BTCUSDT", on_document, raw=True)
    client.trade_stream("BTCUSDT", print)
    client.trade_stream("BTCUSDT", on_book)  # type: ignore[arg-type]
    client.orderbook_stream(50, ["BTCUSDT", "ETHUSDT"], on_book)
    client.orderbook_stream(50, "BTCUSDT", on_trades)  # type: ignore[arg-type]
    client.subscribe("orderbook.50.BTCUSDT", callback=on_book)
    client.subscribe("publicTrade", "BTCUSDT", callback=lambda update: print(update))
    client.subscribe(bybit.orderbook(50), "BTCUSDT", callback=on_book, max_silence=5)
    client.subscribe(bybit.orderbook(50), "BTCUSDT", callback=on_trades)  # type: ignore[arg-type]
    client.subscribe(bybit.TRADES, "BTCUSDT", callback=on_trades)
    client.subscribe(bybit.TRADES, "BTCUSDT", callback=lambda update: print(update.data[0].price))
    client.subscribe(bybit.TRADES, "BTCUSDT", callback=lambda update: print(update.data[0].prise))  # type: ignore[attr-defined]
    client.subscribe(bybit.TRADES, "BTCUSDT", callback=on_document, raw=True)
    client.subscribe(bybit.TRADES, "BTCUSDT", callback=on_document)  # type: ignore[arg-type]
    client.subscribe(bybit.TRADES, "BTCUSDT", callback=on_book, raw=True)  # type: ignore[call-overload]
    client.subscribe(50, "BTCUSDT", callback=print)  # type: ignore[call-overload]
    client.unsubscribe(bybit.TRADES)
    with client.messages(bybit.TRADES, "BTCUSDT") as trades:
        for update in trades:
            print(update.data)  # type: ignore[union-attr]  # or a Gap
            if not isinstance(update, dbxsdk.Gap):
                print(update.data[0].size)
                print(update.data[0].quantity)  # type: ignore[attr-defined]
    for anything in client.messages(f"kline.{interval}", "BTCUSDT"):
        print(anything if isinstance(anything, dbxsdk.Gap) else anything.whatever)
    for document in client.messages(bybit.TRADES, "BTCUSDT", raw=True):
        if not isinstance(document, dbxsdk.Gap):
            print(document["data"], document.data)  # type: ignore[attr-defined]
    for candle in client.messages(bybit.kline(interval), "BTCUSDT"):
        if not isinstance(candle, dbxsdk.Gap):
            print(candle.data[0].close, candle.data.close)  # type: ignore[attr-defined]
    for ticker in client.messages(bybit.TICKERS, "BTCUSDT"):
        if not isinstance(ticker, dbxsdk.Gap) and isinstance(ticker.data, bybit.ContractTicker):
            print(ticker.data.mark_price)


def log(client: dbxsdk.Client, channel: dbxsdk.Channel[Any], raw: bool) -> None:
    client.subscribe(channel, "A", callback=print)
    for anything in client.messages(channel, "A", raw=raw):
        print(anything)


def others(
    private: dbxsdk.BybitPrivateClient,
    trade: dbxsdk.BybitTradeClient,
    deals: dbxsdk.CryptomusClient,
    spot: dbxsdk.DigiFinexClient,
    swaps: dbxsdk.DigiFinexSwapClient,
    data: dbxsdk.DBotDataClient,
    tasks: dbxsdk.DBotTradeClient,
) -> PairInfo:
    private.order_stream(lambda update: None)
    private.wallet_stream(on_deal)  # type: ignore[arg-type]
    private.subscribe(bybit.ORDERS, "spot", callback=lambda update: print(update.data[0].order_id))
    result = trade.place_order(category="spot", symbol="BTCUSDT", side="Buy", orderType="Market", qty="1")
    print(result.order_id, result.orderId)  # type: ignore[attr-defined]
    order: Dict[str, Any] = {"symbol": "BTCUSDT", "side": "Buy", "orderType": "Market", "qty": "1"}
    trade.place_order(category="spot", **order)
    trade.place_order(category="spot", symbol="A", side="buy", orderType="Market", qty="1")  # type: ignore[arg-type]
    trade.place_order(category="spot", symbol="A", side="Buy", orderType="market", qty="1")  # type: ignore[arg-type]
    trade.place_order(category="spots", symbol="A", side="Buy", orderType="Market", qty=1)  # type: ignore[arg-type]
    trade.place_order(category="spot", symbol="A", side="Buy", orderType="Market")  # type: ignore[call-arg]
    trade.place_order(category="linear", **order, reduceOnly="true")  # type: ignore[arg-type]
    trade.place_order(category="linear", **order, reduceonly=True)  # type: ignore[call-arg]
    trade.place_order(category="linear", **order, timeInForce="Postonly")  # type: ignore[arg-type]
    trade.place_order(category="linear", **order, positionIdx=3)  # type: ignore[arg-type]
    trade.place_order(category="linear", **order, positionIdx=1, price=None, bboLevel=1, extra={"anything": 1})
    trade.amend_order(category="linear", symbol="A", orderId="o", price=1, side="Buy")  # type: ignore[call-arg]
    trade.cancel_order(category="spot", symbol="A", orderId="o", orderFilter="tpslorder")  # type: ignore[arg-type]
    trade.cancel_batch_order("Linear", [{"symbol": "A", "orderId": "o"}])  # type: ignore[arg-type]
    deals.subscribe(cryptomus.DEALS, "BTC_USDT", callback=on_deal)
    deals.subscribe(cryptomus.TRADES, "BTC_USDT", callback=on_deal)  # type: ignore[arg-type]
    for update in spot.messages(digifinex.DEPTH, "BTC_USDT"):
        if not isinstance(update, dbxsdk.Gap):
            print(update.data.bids, update.data.bid)  # type: ignore[attr-defined]
    for change in swaps.messages(swap.depth(20), "BTCUSDTPERP"):
        if not isinstance(change, dbxsdk.Gap):
            print(change.data.level, change.data.bid)  # type: ignore[attr-defined]
    for done in tasks.messages(dbot.TRADE_RESULTS):
        if not isinstance(done, dbxsdk.Gap):
            print(done.data.state, done.data.nothing)  # type: ignore[attr-defined]
    tasks.create_swap_order(chain="solana", pair="P", wallet_id="w", type="buy", amount_or_percent=1, max_slippage="0.1")
    tasks.create_swap_order(chain="solana", pair="P", type="buy", amount_or_percent=1)  # type: ignore[call-arg]
    tasks.update_limit_order("id", max_slippage=0.1, max_slipage=0.1)  # type: ignore[call-arg]
    tasks.update_limit_order("id", retries="1", extra={"anything": 1})  # type: ignore[arg-type]
    tasks.list_limit_orders(page=1, token="T", tokens="T")  # type: ignore[call-arg]
    for info in data.messages(dbot.pairs_info("1m"), "PAIR:TOKEN"):
        if not isinstance(info, dbxsdk.Gap):
            return info.data
    raise AssertionError
