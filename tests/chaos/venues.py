"""Local venues that deal out a fate to each order, by chance, and know afterwards what they carried out."""

from __future__ import annotations

import collections
import random
import time
from typing import Any, Counter, Dict, List, Optional, Tuple, Union

import attrs

from dbxsdk.sim import BybitVenue, DBotVenue, DigiFinexVenue
from dbxsdk.sim.bybit.trade_socket import Fault, is_order
from dbxsdk.sim.connection import Connection
from dbxsdk.sim.venue import Venue

NOW, SOON, LATE = (0.0, 0.0), (0.0, 0.05), (0.05, 0.4)
"""Seconds after which an answer leaves, from and to."""


@attrs.frozen
class Fate:
    """What becomes of an order at the venue."""

    weight: int
    executed: bool = False
    refused: bool = False
    answers: Tuple[Tuple[float, float], ...] = ()
    """When it is answered: once, twice or never."""
    anonymous: bool = False
    """The answer does not say to which request."""
    garbled: bool = False
    """The answer says neither yes nor no."""
    cut: bool = False
    """The connection is cut, after the answer if there is one."""


FATES = (
    Fate(600, executed=True, answers=(NOW,)),
    Fate(50, executed=True, answers=(SOON,)),
    Fate(40, executed=True, answers=(LATE,)),
    Fate(20, executed=True, answers=(NOW, SOON)),
    Fate(50, refused=True, answers=(NOW,)),
    Fate(20, refused=True, answers=(LATE,)),
    Fate(20, refused=True, answers=(SOON,), anonymous=True),
    Fate(10, refused=True, answers=(LATE,), anonymous=True),
    Fate(15, executed=True, answers=(NOW,), garbled=True),
    Fate(5, refused=True, answers=(NOW,), garbled=True),
    Fate(25, executed=True),
    Fate(25),
    Fate(6, executed=True, answers=(NOW,), cut=True),
    Fate(6, executed=True, cut=True),
    Fate(6, cut=True),
)


class Chaotic(Venue):
    """What the three below share. ``arrived`` counts each order's requests, whatever became of them."""

    id_field = "id"
    chaos_seed: Any = 0

    def __init__(self, **options: Any) -> None:
        super().__init__(rate=0, **options)
        self.arrived: Counter[str] = collections.Counter()
        self.calm = False
        """Whether every order is carried out and answered."""
        self._fate: Optional[Fate] = None
        self._rng = random.Random()

    def order_of(self, document: Any) -> Optional[str]:
        """The caller's own name of the order that a request is to make, if it is one."""
        raise NotImplementedError

    def executed(self) -> Counter[str]:
        """How often each order was made, by the venue's books."""
        raise NotImplementedError

    def spoil(self, document: Any) -> Any:
        """The same request so that the venue refuses it."""
        raise NotImplementedError

    def ask(self, client: Any, name: str, timeout: float) -> Any:
        """Makes the order and waits."""
        return client.call(*self.order(name), timeout=timeout)

    def order(self, name: str) -> Tuple[str, Any]:
        """The method and the parameters that make the order."""
        raise NotImplementedError

    def garbled(self, document: Any) -> Any:
        """An answer without its yes or no."""
        return document

    def is_answer_to(self, name: str, result: Any) -> bool:
        """Whether this result is that order's."""
        raise NotImplementedError

    def _request(self, connection: Connection, raw: Union[str, bytes], document: Any) -> None:
        name = self.order_of(document)
        if name is not None:
            self.arrived[name] += 1
        if name is None or self.calm:
            super()._request(connection, raw, document)
            return
        # The order's own, whatever the threads' turns: half of a failure can be repeated.
        self._rng.seed(f"{self.chaos_seed}:{name}")
        fate = self._fate = self._rng.choices(FATES, [each.weight for each in FATES])[0]
        try:
            if fate.executed or fate.refused:
                super()._request(connection, raw, self.spoil(document) if fate.refused else document)
            if fate.cut and not fate.answers:
                connection.cut()
        finally:
            self._fate = None

    def _answer(self, connection: Connection, document: Any) -> None:
        fate = self._fate
        if fate is None:
            super()._answer(connection, document)
            return
        if fate.anonymous:
            document = {**document, self.id_field: None}
        if fate.garbled:
            document = self.garbled(document)
        frame = self._encode(document, connection, push=False)
        if fate.cut:
            connection.cut_after(1)
            connection.put(frame)
            return
        for earliest, latest in fate.answers:
            connection.put_at(frame, time.monotonic() + self._rng.uniform(earliest, latest))


class ChaoticBybit(Chaotic, BybitVenue):
    """Orders on the trade socket, by ``place_order`` and by ``submit``."""

    id_field = "reqId"
    which = ("trade",)
    path = "/v5/trade"

    def __init__(self, **options: Any) -> None:
        super().__init__(balances={"USDT": 10_000_000}, symbols={"spot": ["BTCUSDT"]}, **options)

    def order_of(self, document: Any) -> Optional[str]:
        return str(document["args"][0]["orderLinkId"]) if is_order(document) else None

    def executed(self) -> Counter[str]:
        return collections.Counter(order.link_id for order in self.orders())

    def spoil(self, document: Any) -> Any:
        self._service.faults.append(Fault(110007, "ab not enough for new order", with_req_id=True, with_header=True))
        return document

    def ask(self, client: Any, name: str, timeout: float) -> Any:
        fields = dict(self.order(name)[1])
        return client.place_order(**fields, timeout=timeout)

    def order(self, name: str) -> Tuple[str, Any]:
        fields = {"category": "spot", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "orderLinkId": name}
        return "order.create", {**fields, "qty": "0.001", "price": "1000"}

    def garbled(self, document: Any) -> Any:
        return {**document, "retCode": "none"}

    def is_answer_to(self, name: str, result: Any) -> bool:
        link_id = result["orderLinkId"] if isinstance(result, dict) else result.order_link_id
        return bool(link_id == name)


class ChaoticDBot(Chaotic, DBotVenue):
    """Copy trading tasks: the request that makes one makes two where it is sent twice."""

    which = ("trade",)
    path = "/trade/ws/"

    def order_of(self, document: Any) -> Optional[str]:
        wanted = isinstance(document, dict) and document.get("method") == "createOrUpdateFollowOrder"
        return str(document["params"]["name"]) if wanted else None

    def executed(self) -> Counter[str]:
        return collections.Counter(task["name"] for task in self.tasks("follow").values())

    def spoil(self, document: Any) -> Any:
        return {**document, "params": {}}

    def ask(self, client: Any, name: str, timeout: float) -> Any:
        task = self.order(name)[1]
        return client.create_or_update_follow_order(
            enabled=True, name=name, chain="solana", target_ids=task["targetIds"], wallet_id=task["walletId"], timeout=timeout
        )

    def order(self, name: str) -> Tuple[str, Any]:
        task = {"name": name, "enabled": True, "chain": "solana", "walletId": self.wallet_ids[0]}
        return "createOrUpdateFollowOrder", {**task, "targetIds": [self.wallets[0]]}

    def garbled(self, document: Any) -> Any:
        return {**document, "result": {}}

    def is_answer_to(self, name: str, result: Any) -> bool:
        return result is None  # the venue says no more than that it worked


class ChaoticDigiFinex(Chaotic, DigiFinexVenue):
    """The venue has no order entry; one more method here stands for it, and its answers are never garbled. Its market goes
    on, so that a full queue holds the reader up between answers."""

    which = ()
    path = "/ws/v1/"

    def __init__(self, **options: Any) -> None:
        self._book: List[str] = []
        super().__init__(symbols=["BTC_USDT"], **options)

    def _carry_out(self, connection: Connection, method: str, params: List[Any]) -> Tuple[Any, List[str]]:
        if method != "order.put":
            return super()._carry_out(connection, method, params)
        self._book.append(params[0])
        return {"status": "success", "order": params[0]}, []

    def order_of(self, document: Any) -> Optional[str]:
        wanted = isinstance(document, dict) and document.get("method") == "order.put"
        return str(document["params"][0]) if wanted else None

    def executed(self) -> Counter[str]:
        with self._lock:
            return collections.Counter(self._book)

    def spoil(self, document: Any) -> Any:
        return {**document, "method": "order.none"}

    def order(self, name: str) -> Tuple[str, Any]:
        return "order.put", [name]

    def is_answer_to(self, name: str, result: Any) -> bool:
        return bool(result["order"] == name)


VENUES: Dict[str, Any] = {"bybit": ChaoticBybit, "dbot": ChaoticDBot, "digifinex": ChaoticDigiFinex}
