"""What each venue answers to a request: a yes and a no."""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, Optional, Tuple

Answer = Callable[[Any, str], Any]
"""Of a request's document and one of its topics."""


def _bybit_yes(request: Any, topic: str) -> Any:
    if request["op"] == "ping":
        return {"op": "pong", "args": ["1700000000000"], "req_id": request["req_id"]}
    return {"success": True, "ret_msg": "", "op": request["op"], "req_id": request["req_id"], "conn_id": "c"}


def _bybit_no(request: Any, topic: str) -> Any:
    words = f"error:handler not found,topic:{topic}"
    return {"success": False, "ret_msg": words, "op": request["op"], "req_id": request["req_id"]}


def _option_yes(request: Any, topic: str) -> Any:
    if request["op"] not in ("subscribe", "unsubscribe"):
        return _bybit_yes(request, topic)
    return {"success": True, "type": "COMMAND_RESP", "data": {"failTopics": [], "successTopics": request["args"]}}


def _option_no(request: Any, topic: str) -> Any:
    if request["op"] not in ("subscribe", "unsubscribe"):
        return _bybit_no(request, topic)
    good = [each for each in request["args"] if each != topic]
    return {"success": True, "type": "COMMAND_RESP", "data": {"failTopics": [topic], "successTopics": good}}


def _trade_yes(request: Any, topic: str) -> Any:
    if request["op"] == "ping":
        return {"retCode": 0, "retMsg": "OK", "op": "pong", "data": ["1700000000000"]}
    return {"reqId": request["reqId"], "retCode": 0, "retMsg": "OK", "op": request["op"], "data": {}}


def _trade_no(request: Any, topic: str) -> Any:
    return {"reqId": request["reqId"], "retCode": 10001, "retMsg": "no", "op": request["op"]}


def _numbered_yes(request: Any, topic: str) -> Any:
    if request["method"] == "server.time":
        return {"id": request["id"], "result": int(time.time()), "error": None}
    return {"id": request["id"], "result": {"status": "success"}, "data": {"status": "success"}, "error": None}


def _numbered_no(request: Any, topic: str) -> Any:
    return {"id": request["id"], "result": None, "data": None, "error": {"code": 1, "message": "no"}}


def _swap_yes(request: Any, topic: str) -> Any:
    answer = {"id": request["id"], "event": request["event"], "code": 1, "msg": "success"}
    return {**answer, "data": int(time.time() * 1000)} if request["event"] == "server.time" else answer


def _swap_no(request: Any, topic: str) -> Any:
    return {"id": request["id"], "event": request["event"], "code": 2, "msg": "invalid param"}


def _dbot_yes(request: Any, topic: str) -> Any:
    if "id" in request:
        return {"method": "rpcResponse", "id": request["id"], "result": {"err": False}}
    type_ = request.get("type")
    subscribed = [type_] if request["method"].startswith("subscribe") else []
    return {
        "status": "ack", "method": "subscribeResponse", "result": {"type": type_, "subscribed": subscribed, "message": "yes"},
    }


def _dbot_no(request: Any, topic: str) -> Any:
    if "id" in request:
        return {"method": "rpcResponse", "id": request["id"], "result": {"err": True}}
    return {"status": "error", "method": "subscribeResponse", "result": {"type": request.get("type"), "err": "no"}}


ANSWERS: Dict[str, Tuple[Answer, Answer]] = {
    "bybit-public": (_bybit_yes, _bybit_no),
    "bybit-spot": (_bybit_yes, _bybit_no),
    "bybit-option": (_option_yes, _option_no),
    "bybit-private": (_bybit_yes, _bybit_no),
    "bybit-trade": (_trade_yes, _trade_no),
    "digifinex": (_numbered_yes, _numbered_no),
    "digifinex-swap": (_swap_yes, _swap_no),
    "cryptomus": (_numbered_yes, _numbered_no),
    "dbot-trade": (_dbot_yes, _dbot_no),
    "dbot-data": (_dbot_yes, _dbot_no),
}


def answer(socket: str, good: bool, request: Any, topic: Optional[str] = None) -> Any:
    return ANSWERS[socket][0 if good else 1](request, topic or "nothing")
