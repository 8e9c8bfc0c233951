"""How each venue's documents are read by the ledger."""

from __future__ import annotations

from typing import Any, Collection, Optional

from tests.soak.ledger import Wire


def _bybit_mark(document: Any) -> Optional[str]:
    return str(document["args"][0]["orderLinkId"]) if document.get("op") == "order.create" else None


def _bybit_asked(document: Any) -> Collection[str]:
    return document.get("args", ()) if document.get("op") == "subscribe" else ()


BYBIT = Wire(lambda document: document.get("topic"), _bybit_asked, _bybit_mark)


def _digifinex_topic(document: Any) -> Optional[str]:
    channel, params = document["method"].rpartition(".")[0], document["params"]
    if channel in ("trades", "depth"):
        return f"{channel}.{params[-1]}"
    return "all_ticker" if channel == "all_ticker" else None


def _digifinex_asked(document: Any) -> Collection[str]:
    channel, _, verb = str(document.get("method")).rpartition(".")
    if verb != "subscribe":
        return ()
    return (channel,) if channel == "all_ticker" else [f"{channel}.{name}" for name in document["params"]]


DIGIFINEX = Wire(_digifinex_topic, _digifinex_asked, lambda document: None)


def _cryptomus_topic(document: Any) -> Optional[str]:
    channel, data = document["method"].rpartition("_")[0], document["data"]
    if channel == "depth":
        return f"depth.{data['symbol']}:{data['scale_index']}"
    return f"{channel}.{data['symbol']}" if channel in ("trade", "lastprice", "ticker") else None


def _cryptomus_asked(document: Any) -> Collection[str]:
    channel, _, verb = str(document.get("method")).rpartition("_")
    return [f"{channel}.{name}" for name in document["params"]] if verb == "subscribe" else ()


CRYPTOMUS = Wire(_cryptomus_topic, _cryptomus_asked, lambda document: None)


def _dbot_topic(document: Any) -> Optional[str]:
    if document.get("method") == "tradeResultNotify":
        return "tradeResults"
    type_ = document.get("type")
    if type_ == "tx":
        return f"tx.{document['result'][0]['pair']}"
    if type_ == "walletTx":
        return f"walletTx.{document['result'][0]['ac']}"
    return type_ if type_ in ("newPairInfo", "migratedPairInfo") else None


def _dbot_asked(document: Any) -> Collection[str]:
    if document.get("method") == "subscribeTradeResults":
        return ("tradeResults",)
    if document.get("method") != "subscribe":
        return ()
    type_, args = document.get("type"), document.get("args") or {}
    if type_ == "tx":
        return [f"tx.{pair}" for pair in args["pair"]]
    return (f"walletTx.{args['walletAddress']}",) if type_ == "walletTx" else (str(type_),)


def swap_mark(params: Any) -> Optional[str]:
    return params.get("note") if isinstance(params, dict) else None


def _dbot_mark(document: Any) -> Optional[str]:
    return swap_mark(document.get("params")) if document.get("method") == "createSwapOrder" else None


DBOT = Wire(_dbot_topic, _dbot_asked, _dbot_mark)
