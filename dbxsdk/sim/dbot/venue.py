"""``DBotVenue``: DBot's trade and data sockets, served locally.

Where the venue's pages say nothing, the behaviour here is an assumption and its comment says so.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Literal, Optional, Tuple, Union, cast, overload

from websockets.frames import Opcode
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol
from websockets.sync.server import ServerConnection

from dbxsdk.arguments import check_choice
from dbxsdk.codec import encode
from dbxsdk.sim.connection import Connection, Frame, Wire
from dbxsdk.sim.dbot.execution import Document, Refused
from dbxsdk.sim.dbot.market import DBotMarket, Pair, PairTrade
from dbxsdk.sim.dbot.rest import DBotRestSide
from dbxsdk.sim.dbot.tasks import Done, Tasks

if TYPE_CHECKING:
    from dbxsdk.dbot import DBotDataClient, DBotTradeClient

TRADE, DATA = "/trade/ws/", "/data/ws/"
WALLET_IDS = ("local-wallet-1", "local-wallet-2", "local-wallet-3")

_RESULTS = "tradeResults"
_TYPES = ("tx", "pairInfo", "pairsInfo", "newPairInfo", "migratedPairInfo", "walletTx")
_NEW_PAIR_SECONDS = 2.0
_MIGRATED_SECONDS = 5.0


class DBotVenue(DBotRestSide):
    """DBot's trade socket on ``/trade/ws/`` (and ``/trade/ws``) and its data socket on ``/data/ws/``, for one account.

    On the same port the REST lists of tasks and the records of fast trades (``rest_url``, ``fail_rest``, ``delay_rest``).

    Both sockets want the header ``x-api-key`` with ``venue.api_key`` and answer 401 otherwise. A fast trade goes from ``init``
    over ``processing`` to ``done`` in two steps of the market; with ``maxSlippage`` 0, or of an unknown pair, to
    ``fail``. Limit orders and exits trade when the market's price has come, a sniper at once if the market has its token.
    An enabled copy trading task copies the trades of those of ``venue.wallets`` that it names as targets. Every such
    trade is pushed to those who asked for its type.

    Takes the arguments of ``Venue``, too.

    Args:
        plan: with ``"free"`` trade results are refused, which the venue keeps for paid plans.
        subscriptions: ``"replace"`` takes a second filter or subscription in place of the first, ``"add"`` beside it;
            which of them the live venue does is not known.
        unknown_methods: ``"silent"`` gives no answer to a method that does not exist, ``"error"`` says ``err: true``;
            the live venue's way is not documented.
        name_pairs: ``tx`` and ``pairInfo`` updates carry the pair, which no page shows.
        answer_unsubscribe: an unsubscribe is answered, which no page says.
        answer_order: ``"shuffled"`` keeps the answers to requests until the market's next step, and sends what has
            come together in any order.
    """

    name = "dbot"
    paths = (TRADE, DATA, TRADE.rstrip("/"))

    def __init__(
        self,
        *,
        plan: str = "pro",
        subscriptions: str = "replace",
        unknown_methods: str = "silent",
        name_pairs: bool = False,
        answer_unsubscribe: bool = False,
        answer_order: str = "in_order",
        **options: Any,
    ) -> None:
        check_choice("plan", plan, ("free", "plus", "pro", "enterprise"))
        check_choice("subscriptions", subscriptions, ("replace", "add"))
        check_choice("unknown_methods", unknown_methods, ("silent", "error"))
        check_choice("answer_order", answer_order, ("in_order", "shuffled"))
        super().__init__(**options)
        self._plan = plan
        self._replaces = subscriptions == "replace"
        self._unknown_methods = unknown_methods
        self._name_pairs = name_pairs
        self._answer_unsubscribe = answer_unsubscribe
        self._shuffles = answer_order == "shuffled"
        self._holding = self._shuffles
        self._held: List[Tuple[Connection, Document]] = []
        self._shuffling = random.Random(f"dbot-answers:{self._seed}")
        self._market = DBotMarket(self._seed, self._start_us)
        self._tasks = Tasks(self._market, self._seed, WALLET_IDS)
        # It goes on while a market that is moved by hand stands still.
        self._tasks.made_ms = lambda: max(self._now_ms(), int(self._clock() * 1000))
        self._trades: List[PairTrade] = []
        self._results: List[Document] = []

    # -- for tests -----------------------------------------------------------------------------------------------------

    wallet_ids = WALLET_IDS
    """The account's wallets, as requests name them."""

    @property
    def wallets(self) -> Tuple[str, ...]:
        """The addresses of the wallets that trade on the market: targets to follow, and symbols for ``walletTx``."""
        return self._market.wallets

    @property
    def pairs(self) -> Tuple[Pair, ...]:
        """What is traded."""
        return tuple(self._market.pairs.values())

    def price_usd(self, pair: str) -> float:
        """Return the last price of a pair."""
        with self._lock:
            return float(self._market.price_usd(pair))

    def tasks(self, kind: str) -> Dict[str, Document]:
        """Return the account's tasks by id: ``"swap"``, ``"limit"`` (with take profit and stop loss), ``"trailing"``,
        ``"migrate"``, ``"follow"``, ``"snipe"`` or ``"dev"``."""
        check_choice("kind", kind, ("swap", "limit", "trailing", "migrate", "follow", "snipe", "dev"))
        with self._lock:
            return {id_: dict(task) for id_, task in getattr(self._tasks, kind).items()}

    def add_follow_order(self, name: str = "local", enabled: bool = True) -> str:
        """Make a copy trading task of one of the market's wallets and return its id."""
        params = {"name": name, "enabled": enabled, "walletId": WALLET_IDS[0], "targetIds": [self.wallets[0]]}
        with self._lock:
            self._tasks.carry_out("createOrUpdateFollowOrder", params, self._now_ms())
            return list(self._tasks.follow)[-1]

    def hold_answers(self) -> None:
        """Keep the answers to requests of the trade socket, which are carried out, until ``release_answers()``."""
        with self._lock:
            self._holding = True

    @property
    def held_answers(self) -> int:
        """How many answers are kept."""
        with self._lock:
            return len(self._held)

    def release_answers(self, shuffled: bool = True) -> None:
        """Send the answers that were kept, in any order or as they came, and keep no more."""
        with self._lock:
            self._holding = self._shuffles
            self._release(shuffled)

    @overload
    def client(self, socket: Literal["trade"] = "trade", **kwargs: Any) -> DBotTradeClient: ...

    @overload
    def client(self, socket: Literal["data"], **kwargs: Any) -> DBotDataClient: ...

    def client(self, socket: str = "trade", **kwargs: Any) -> Union[DBotTradeClient, DBotDataClient]:
        """A ``DBotTradeClient`` (``"trade"``) or a ``DBotDataClient`` (``"data"``) for this venue, with its key."""
        from dbxsdk.dbot import DBotDataClient, DBotTradeClient  # here: the venue is of use without them, too

        check_choice("socket", socket, ("trade", "data"))
        if socket == "data":
            return DBotDataClient(**{"api_key": self.api_key, "url": self.url(DATA), **kwargs})
        return DBotTradeClient(**{"api_key": self.api_key, "url": self.url(TRADE), "rest_url": self.rest_url(), **kwargs})

    # -- connections ---------------------------------------------------------------------------------------------------

    def _answer_upgrade(self, wire: ServerConnection, request: Request) -> Optional[Response]:
        refusal = super()._answer_upgrade(wire, request)
        if refusal is None and request.headers.get_all("x-api-key") != [self.api_key]:
            return wire.respond(401, "401\n")
        return refusal

    def _create_connection(self, *args: Any, **kwargs: Any) -> Wire:
        for argument in args:
            if isinstance(argument, ServerProtocol):
                # Before its thread reads: it would log the handshake's headers, and the key with them.
                argument.debug = False
        wire = super()._create_connection(*args, **kwargs)
        _count_pings(wire)
        return wire

    # -- requests ------------------------------------------------------------------------------------------------------

    def _request(self, connection: Connection, raw: Union[str, bytes], document: Any) -> None:
        # A frame that is no request gets no answer: an assumption, the worst for a client.
        if not isinstance(document, dict):
            return
        if connection.path == DATA:
            self._data_request(connection, document)
        else:
            self._trade_request(connection, document)

    def _trade_request(self, connection: Connection, document: Document) -> None:
        method = document.get("method")
        if method == "subscribeTradeResults":
            self._filter(connection, document.get("tradeTypeFilter"))
            return
        if not self._tasks.knows(method):
            if self._unknown_methods == "error":
                self._reply(connection, document, {"err": True, "res": "method not found"})
            return
        try:
            res = self._tasks.carry_out(str(method), document.get("params"), self._now_ms())
        except Refused as refused:
            self._reply(connection, document, {"err": True, "res": str(refused)})
            return
        self._reply(connection, document, {"err": False} if res is Done else {"err": False, "res": res})

    def _reply(self, connection: Connection, document: Document, result: Document) -> None:
        answer = {"method": "rpcResponse", "id": document.get("id"), "result": result}
        if self._holding:
            self._held.append((connection, answer))
        else:
            self._answer(connection, answer)

    def _release(self, shuffled: bool) -> None:
        held, self._held = self._held, []
        if shuffled:
            self._shuffling.shuffle(held)
        for connection, answer in held:
            self._answer(connection, answer)

    def _filter(self, connection: Connection, types: Any) -> None:
        if self._plan == "free" or not isinstance(types, list) or not all(isinstance(type_, str) for type_ in types):
            reason = "the plan has no trade results" if self._plan == "free" else "tradeTypeFilter must be an array"
            # The shape of a refusal is an assumption.
            self._answer(connection, {"method": "subscribeResponse", "result": {"err": True, "message": reason}})
            return
        if self._replaces:
            connection.topics.clear()
        for topic in [f"{_RESULTS}.{type_}" for type_ in types] or [_RESULTS]:
            connection.topics[topic] = True
        # Only the message is known of this acknowledgement.
        self._answer(connection, {"method": "subscribeResponse", "result": {"message": "Connected and subscribed"}})

    def _data_request(self, connection: Connection, document: Document) -> None:
        method, type_ = document.get("method"), document.get("type")
        args = document.get("args", {})
        if method not in ("subscribe", "unsubscribe"):
            return
        try:
            topics = _data_topics(type_, args, method == "unsubscribe")
        except Refused as refused:
            result = {"type": type_, "err": True, "message": str(refused)}
            self._answer(connection, {"status": "error", "method": "subscribeResponse", "result": result})
            return
        if method == "unsubscribe":
            for topic in topics:
                connection.topics.pop(topic, None)
            if self._answer_unsubscribe:
                self._acknowledge(connection, str(type_), "Unsubscribed")
            return
        if self._replaces:
            for topic in [topic for topic in connection.topics if topic.partition(".")[0] == type_]:
                del connection.topics[topic]
        connection.topics.update(dict.fromkeys(topics, True))
        self._acknowledge(connection, str(type_), "Connected and subscribed")

    def _acknowledge(self, connection: Connection, type_: str, message: str) -> None:
        types = list(dict.fromkeys(topic.partition(".")[0] for topic in connection.topics))
        result = {"type": type_, "t": self._now_ms(), "subscribed": types, "message": message}
        self._answer(connection, {"status": "ack", "method": "subscribeResponse", "result": result})

    # -- pushes --------------------------------------------------------------------------------------------------------

    def _advance(self, now_us: int) -> None:
        self._trades = self._market.step(now_us)
        self._results = self._tasks.advance(now_us // 1000, self._trades)

    def _publish(self) -> None:
        if self._shuffles:
            self._release(shuffled=True)
        for result in self._results:
            topics = {_RESULTS, *(f"{_RESULTS}.{type_}" for type_ in result_types(result))}
            connections = [each for each in self._connections.values() if topics & each.topics.keys()]
            self._push(connections, {"method": "tradeResultNotify", "result": result})
        self._publish_trades()
        now_ms = self._now_ms()
        if self._each(1.0):
            self._publish_figures(now_ms)
        for type_, seconds in (("newPairInfo", _NEW_PAIR_SECONDS), ("migratedPairInfo", _MIGRATED_SECONDS)):
            if self._each(seconds) and self._subscribers(type_):
                # A migrated pair has the fields of a new one: an assumption, its page could not be read.
                self._push(self._subscribers(type_), {"type": type_, "result": self._market.new_pair(now_ms)})

    def _publish_trades(self) -> None:
        for pair in self._market.pairs:
            trades = [trade for trade in self._trades if trade.pair.pair == pair]
            if trades:
                extra = {"pair": pair} if self._name_pairs else {}
                items = [{**trade.document, **extra} for trade in trades]
                self._push(self._subscribers(f"tx.{pair}"), {"type": "tx", "result": items})
        for wallet in self._market.wallets:
            items = [self._market.wallet_document(trade) for trade in self._trades if trade.wallet == wallet]
            if items:
                self._push(self._subscribers(f"walletTx.{wallet}"), {"type": "walletTx", "result": items})

    def _publish_figures(self, now_ms: int) -> None:
        wanted = {topic for connection in self._connections.values() for topic in connection.topics}
        figures = {pair: self._market.figures(pair, now_ms) for pair in self._market.pairs if any(pair in t for t in wanted)}
        for pair, document in figures.items():
            result = {**document, "pair": pair} if self._name_pairs else document
            self._push(self._subscribers(f"pairInfo.{pair}"), {"type": "pairInfo", "result": result})
        for connection in self._connections.values():
            items = [{"p": pair, **figures[pair]} for pair in figures if f"pairsInfo.{pair}" in connection.topics]
            if items:
                self._push([connection], {"type": "pairsInfo", "result": items})

    def _encode(self, document: Any, connection: Connection, push: bool) -> Frame:
        return encode(document)


def result_types(result: Document) -> List[str]:
    """Return the types by which a trade result is filtered. One whose ``type`` hides its direction goes by both."""
    outcome = "success" if result["state"] == "done" else "fail"
    if result["subSource"]:
        return [f"{result['subSource']}_{outcome}"]
    # No page names a type for what a sniper traded: it goes by those of fast trades, an assumption.
    source = result["source"].partition("_")[0].replace("snipe", "swap")
    directions = [result["type"]] if result["type"] in ("buy", "sell") else ["buy", "sell"]
    return [f"{source}_{direction}_{outcome}" for direction in directions]


def _data_topics(type_: Any, args: Any, leaving: bool) -> List[str]:
    """Return the topics of a request. Raises ``Refused``: the venue's own refusals are in no page."""
    if type_ not in _TYPES or not isinstance(args, dict):
        raise Refused("type or args cannot be")
    if type_ in ("newPairInfo", "migratedPairInfo"):
        return [type_]
    if type_ == "tx":
        names = args.get("pair")
    elif type_ == "pairsInfo":
        pairs = args.get("pairs")
        names = [item.get("pair") for item in pairs if isinstance(item, dict)] if isinstance(pairs, list) else None
        if not leaving and not isinstance(args.get("pairsInfoInterval"), str):
            raise Refused("pairsInfoInterval is missing")
    else:
        names = [args.get("pair" if type_ == "pairInfo" else "walletAddress")]
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        raise Refused("args must name an address")
    return [f"{type_}.{name}" for name in names]


def _count_pings(wire: Wire) -> None:
    """Let a ping keep the connection as a message does: ``recv`` times out only if neither came."""
    heard = [time.monotonic()]
    # The instance's own methods, since the shared server makes the instance.
    patched = cast(Any, wire)
    process: Callable[[Any], None] = wire.process_event
    receive: Callable[..., Any] = wire.recv

    def process_event(event: Any) -> None:
        if getattr(event, "opcode", None) is Opcode.PING:
            heard[0] = time.monotonic()
        process(event)

    def recv(timeout: Optional[float] = None, **options: Any) -> Any:
        if timeout is None:
            return receive(**options)
        heard[0] = max(heard[0], time.monotonic())
        while True:
            left = heard[0] + timeout - time.monotonic()
            if left <= 0:
                raise TimeoutError
            try:
                return receive(timeout=left, **options)
            except TimeoutError:
                pass  # a ping may have come in the meantime

    patched.process_event = process_event
    patched.recv = recv
