"""Turns the words of a command line into clients: the venue, its keys, its address, a local venue behind it."""

from __future__ import annotations

import argparse
import contextlib
import os
import time
from typing import Any, Dict, List, Optional, Sequence, Tuple, Type

from dbxsdk.bybit.private.channels import CHANNELS as PRIVATE_CHANNELS
from dbxsdk.bybit.private.channels import channel_of
from dbxsdk.bybit.public.book import check_depth
from dbxsdk.bybit.public.channels import CATEGORIES, CHANNELS, Route, route
from dbxsdk.cli.arguments import seconds
from dbxsdk.cli.errors import NotInstalled, WrongArguments
from dbxsdk.cli.words import VARIABLES, Wish, Word
from dbxsdk.client import Client
from dbxsdk.options import Options
from dbxsdk.recording import Recorder

VENUES_HELP = """\
VENUE is bybit:spot, bybit:linear (also: bybit), bybit:inverse, bybit:option, bybit:private, bybit:trade, digifinex,
cryptomus, dbot:trade (also: dbot) or dbot:data.

Keys are read from the environment, where no list of processes shows them, and never printed:

  bybit:private, bybit:trade  BYBIT_API_KEY, BYBIT_API_SECRET
  digifinex                   DIGIFINEX_API_KEY, DIGIFINEX_API_SECRET (the account's channels alone need them)
  cryptomus                   CRYPTOMUS_USER_ID, CRYPTOMUS_API_KEY
  dbot:trade, dbot:data       DBOT_API_KEY

With --local a local venue is started for the command, which needs no network, no account and no keys. What it
trades is what "dbxsdk sim VENUE" lists; its account trades a little by itself, so that there is something to see.
"""

EXIT_CODES = """\
exit codes: 0 done; 1 the venue or the network said no (one line on stderr); 2 wrong arguments; 130 Ctrl-C before it
was done. Where nothing but Ctrl-C ends the command, Ctrl-C is how it is done.
"""


def add_connection(parser: Any) -> None:
    """The options that ``Venues`` reads."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--local", action="store_true", help="a local venue, started for this command")
    where.add_argument("--url", help="another address of the venue's socket (a regional host, a local venue)")
    where.add_argument("--testnet", action="store_true", help="Bybit's test network, which has keys of its own")
    where.add_argument("--demo", action="store_true", help="bybit:private of Bybit's paper trading")
    parser.add_argument("--token-url", metavar="URL", help="with --url, for Cryptomus: where its one-time tokens are")
    parser.add_argument(
        "--timeout", type=seconds, default=10.0, metavar="N", help="seconds for the connection and each answer (default 10)"
    )


class Venues:
    """The clients of one command, and the local venues behind them, all closed at the end of the ``with`` statement.

    Making it checks the options against ``words``, the keys included, and starts nothing.
    """

    def __init__(self, arguments: argparse.Namespace, words: Sequence[Word]) -> None:
        self._arguments = arguments
        self._stack = contextlib.ExitStack()
        self._clients: Dict[Word, Client] = {}
        self._local: Dict[str, Any] = {}
        self._lively_until = 0.0
        if arguments.url is not None and len(set(words)) > 1:
            raise WrongArguments("argument --url: is one socket's address, and several are asked for")
        if arguments.token_url is not None and (arguments.url is None or words[0].venue != "cryptomus"):
            raise WrongArguments("argument --token-url: goes with --url, for cryptomus")
        for each in words:
            if arguments.testnet and each.venue != "bybit":
                raise WrongArguments(f"argument --testnet: {each} has no test network")
            if arguments.demo and each.socket != "private":
                raise WrongArguments(f"argument --demo: {each} has no paper trading; bybit:private has")
        self._settings = {each: self._settings_of(each) for each in words}
        if arguments.local:
            local_classes()  # an extra that is not installed is told before anything else is done

    def __enter__(self) -> "Venues":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def clients(self) -> List[Client]:
        """Those made so far."""
        return list(self._clients.values())

    def client(self, which: Word, recorder: Optional[Recorder] = None) -> Client:
        """The client of a socket, made at the first call. It connects at its first use."""
        client = self._clients.get(which)
        if client is None:
            timeout = self._arguments.timeout
            options = Options(connect_timeout=timeout, request_timeout=timeout, recorder=recorder)
            settings = {**self._settings[which], "options": options}
            make: Any = self._local_venue(which).client if self._arguments.local else _client_class(which)
            try:
                client = make(*_positional(which, self._arguments.local), **settings)
            except (TypeError, ValueError) as error:
                raise WrongArguments(str(error)) from None
            self._clients[which] = client
            self._stack.callback(client.close)
        return client

    def liven(self) -> None:
        """Moves the accounts of local venues on, once a second at most: nobody else trades there, and what is watched
        would be empty."""
        now = time.monotonic()
        if now < self._lively_until:
            return
        self._lively_until = now + 1.0
        for which in self._clients:
            if self._arguments.local and which.socket == "private":
                bybit = self._local["bybit"]
                side = "Sell" if len(bybit.orders()) % 2 else "Buy"
                bybit.place_order("linear", symbol="BTCUSDT", side=side, orderType="Market", qty="0.001")

    def _settings_of(self, which: Word) -> Dict[str, Any]:
        """The keyword arguments of a socket's client."""
        if self._arguments.local:
            return {}
        settings: Dict[str, Any] = {"url": self._arguments.url}
        if which.venue == "bybit":
            settings["testnet"] = self._arguments.testnet
            if which.socket == "private":
                settings["demo"] = self._arguments.demo
        if which.venue == "cryptomus":
            settings["token_url"] = self._arguments.token_url
        if which.socket in CATEGORIES:
            return settings
        variables = VARIABLES[which.venue]
        keys = {argument: os.environ.get(variable, "") for argument, variable in variables.items()}
        if which.venue == "digifinex" and not any(keys.values()):
            return settings
        missing = [variables[argument] for argument, value in keys.items() if not value]
        if missing:
            raise WrongArguments(f"{which} needs keys: set the environment variable {' and '.join(missing)}, or use --local")
        return {**settings, **keys}

    def _local_venue(self, which: Word) -> Any:
        venue = self._local.get(which.venue)
        if venue is None:
            venue = self._local[which.venue] = self._stack.enter_context(local_classes()[which.venue]())
        if which == Word("dbot", "trade"):
            venue.add_follow_order()  # copies trades from now on, whose results the channel tells
        return venue


def _client_class(which: Word) -> Type[Client]:
    import dbxsdk

    if which.venue == "bybit":
        named = {"private": dbxsdk.BybitPrivateClient, "trade": dbxsdk.BybitTradeClient}
        return named.get(which.socket, dbxsdk.BybitPublicClient)
    if which.venue == "dbot":
        return dbxsdk.DBotDataClient if which.socket == "data" else dbxsdk.DBotTradeClient
    return dbxsdk.DigiFinexClient if which.venue == "digifinex" else dbxsdk.CryptomusClient


def _positional(which: Word, local: bool) -> Tuple[str, ...]:
    return (which.socket,) if which.socket and (local or which.socket in CATEGORIES) else ()


def local_classes() -> Dict[str, Any]:
    """The classes of the local venues, by name. Raises ``NotInstalled`` without the extra that they need."""
    try:
        from dbxsdk.sim import BybitVenue, CryptomusVenue, DBotVenue, DigiFinexVenue
    except ImportError:
        raise NotInstalled("a local venue", "sim") from None
    return {"bybit": BybitVenue, "digifinex": DigiFinexVenue, "cryptomus": CryptomusVenue, "dbot": DBotVenue}


# -- channels ------------------------------------------------------------------------------------------


def check_wish(wish: Wish) -> None:
    """Raises ``WrongArguments`` where a channel or depth is none that Bybit documents: its clients leave that to the
    venue, since any native topic may be one; a command line is more often a slip of the hand. The other venues' clients
    check by themselves."""
    which, channel = wish.word, wish.channel
    if which.socket in CATEGORIES:
        for found in _routes(wish):
            kind, _, depth = found.channel.partition(".")
            if kind == "orderbook" and depth.isdecimal():
                try:
                    check_depth(which.socket, int(depth))
                except ValueError as error:
                    raise WrongArguments(f"argument CHANNEL: {channel}: {error}") from None
    elif which.socket == "private":
        for topic in [f"{channel}.{symbol}" for symbol in wish.symbols] or [channel]:
            if channel_of(topic) is None:
                known = ", ".join(PRIVATE_CHANNELS)
                raise WrongArguments(f"argument CHANNEL: {topic!r} is none of {which}, which has {known}")


def _routes(wish: Wish) -> List[Route]:
    routes = []
    for topic in [f"{wish.channel}.{symbol}" for symbol in wish.symbols] or [wish.channel]:
        found = route(wish.word.socket, topic)
        if found is None:
            if not wish.symbols and route(wish.word.socket, f"{wish.channel}.SYMBOL") is not None:
                raise WrongArguments(f"argument SYMBOLS: the channel {wish.channel!r} needs one")
            known = ", ".join(_with_parts(name, channel.parts) for name, channel in CHANNELS.items())
            raise WrongArguments(f"argument CHANNEL: {wish.channel!r} is none of {wish.word}, which has {known}")
        routes.append(found)
    return routes


def _with_parts(name: str, parts: int) -> str:
    more = {"orderbook": ".DEPTH", "kline": ".INTERVAL", "kline_lt": ".INTERVAL"}
    return name + (more.get(name, "") if parts > 1 + name.count(".") else "")


def books_of(wish: Wish) -> Optional[List[Dict[str, Any]]]:
    """The arguments of ``order_book`` for each book that the channel is about; None where it is about none."""
    if wish.word.socket in CATEGORIES:
        cut = [(found.symbol, *found.channel.partition(".")[::2]) for found in _routes(wish)]
        if all(kind == "orderbook" and depth.isdecimal() for _, kind, depth in cut):
            return [{"symbol": symbol, "depth": int(depth)} for symbol, _, depth in cut]
    elif wish.channel == "depth" and wish.symbols and wish.word.venue == "digifinex":
        return [{"symbol": symbol} for symbol in wish.symbols]
    elif wish.channel == "depth" and wish.symbols and wish.word.venue == "cryptomus":
        cut = [symbol.partition(":") for symbol in wish.symbols]
        if all(scale.isdecimal() for _, _, scale in cut):
            return [{"symbol": symbol, "scale_index": int(scale)} for symbol, _, scale in cut]
    return None
