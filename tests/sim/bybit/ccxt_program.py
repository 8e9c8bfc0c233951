"""A program on ccxt pro, as it is: ``python ccxt_program.py ORIGIN KEY SECRET``. Prints what it got as one JSON object."""

import asyncio
import json
import sys

import ccxt.pro

SYMBOL = "BTC/USDT:USDT"
MARKET = {
    "id": "BTCUSDT", "symbol": SYMBOL, "base": "BTC", "quote": "USDT", "settle": "USDT", "baseId": "BTC", "quoteId": "USDT",
    "settleId": "USDT", "type": "swap", "spot": False, "margin": False, "swap": True, "future": False, "option": False,
    "contract": True, "linear": True, "inverse": False, "contractSize": 1, "active": True,
    "precision": {"amount": 0.0001, "price": 0.1}, "limits": {"amount": {}, "price": {}, "cost": {}, "leverage": {}},
}


async def main(origin, key, secret):
    exchange = ccxt.pro.bybit({"apiKey": key, "secret": secret, "newUpdates": True})
    exchange.options.update(enableUnifiedMargin=False, enableUnifiedAccount=True, defaultType="swap")
    public = {category: f"{origin}/v5/public/{category}" for category in ("spot", "linear", "inverse", "option")}
    exchange.urls["api"]["ws"] = {
        "public": public, "private": {"contract": f"{origin}/v5/private", "trade": f"{origin}/v5/trade"},
    }
    exchange.set_markets([exchange.safe_market_structure(MARKET)])
    got = {}
    try:
        for _ in range(5):
            book = await exchange.watch_order_book(SYMBOL, 50)
        got["book"] = [book["bids"][0][0], book["asks"][0][0], len(book["bids"])]
        got["trades"] = [trade["symbol"] for trade in await exchange.watch_trades(SYMBOL)]
        got["ticker"] = (await exchange.watch_ticker(SYMBOL))["last"]
        seen = []

        async def watch():
            while True:
                seen.extend(await exchange.watch_orders(SYMBOL))

        watching = asyncio.ensure_future(watch())
        client = None
        while client is None or not any("order" in each for each in client.subscriptions):
            await asyncio.sleep(0.01)
            client = exchange.clients.get(f"{origin}/v5/private")
        last = got["ticker"]
        placed = await exchange.create_order_ws(SYMBOL, "limit", "buy", 0.01, last - 500)
        changed = await exchange.edit_order_ws(placed["id"], SYMBOL, "limit", "buy", 0.02, last - 400)
        ended = await exchange.cancel_order_ws(placed["id"], SYMBOL)
        got["ids"] = [placed["id"], changed["id"], ended["id"]]
        stop = {"triggerPrice": last + 300, "triggerDirection": "ascending"}
        got["stop"] = (await exchange.create_order_ws(SYMBOL, "market", "buy", 0.01, None, stop))["id"]
        while got["stop"] not in [order["id"] for order in seen]:
            await asyncio.sleep(0.01)
        watching.cancel()
        got["orders"] = [[order["id"], order["status"]] for order in seen]
        try:
            await exchange.create_order_ws(SYMBOL, "limit", "buy", 0.01, last - 500, {"positionIdx": 1})
        except ccxt.pro.BaseError as error:
            got["refused"] = str(error)
    finally:
        await exchange.close()
    print(json.dumps(got))


asyncio.run(asyncio.wait_for(main(*sys.argv[1:]), 40))
