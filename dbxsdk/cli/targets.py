"""Turns the words of a command line into clients: the venue, its keys, its address, a local venue behind it."""

from __future__ import annotations

import argparse
import contextlib
import os
import time
from typing import Any, Dict, List, Mapping, Optional, Sequence

from dbxsdk.cli.arguments import seconds
from dbxsdk.cli.errors import NotInstalled, WrongArguments
from dbxsdk.cli.venues import VENUES
from dbxsdk.cli.words import Word
from dbxsdk.client import Client
from dbxsdk.options import Options
from dbxsdk.recording import Recorder

WORDS_HELP = """\
VENUE is bybit:spot, bybit:linear (also: bybit), bybit:inverse, bybit:option, bybit:spread, bybit:event,
bybit:misc/status, bybit:private, bybit:trade, digifinex, digifinex:swap, cryptomus, dbot:trade (also: dbot) or
dbot:data.
"""

VENUES_HELP = f"""\
{WORDS_HELP}
Keys are read from the environment, where no list of processes shows them, and never printed:

  bybit:private, bybit:trade  BYBIT_API_KEY, BYBIT_API_SECRET
  digifinex, digifinex:swap   DIGIFINEX_API_KEY, DIGIFINEX_API_SECRET (the account's channels alone need them)
  cryptomus                   CRYPTOMUS_USER_ID, CRYPTOMUS_API_KEY
  dbot:trade, dbot:data       DBOT_API_KEY

With --local a local venue is started for the command, which needs no network, no account and no keys. What it
trades is what "dbxsdk sim VENUE" lists; its account trades a little automatically, so that there is something to see.
"""

PAPER = tuple(Word(name, socket) for name, venue in VENUES.items() for socket in venue.paper_sockets)
"""The sockets that exist for paper trading, too."""

EXIT_CODES = """\
exit codes: 0 done; 1 the venue or the network said no (one line on stderr); 2 wrong arguments; 130 Ctrl-C before it
was done. A command that only Ctrl-C ends is done then: 0.
"""


def add_connection(parser: Any) -> None:
    """Add the options that ``Venues`` reads."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--local", action="store_true", help="a local venue, started for this command")
    where.add_argument("--url", help="another address of the venue's socket (a regional host, a local venue)")
    where.add_argument("--testnet", action="store_true", help="Bybit's test network, which has keys of its own")
    where.add_argument("--demo", action="store_true", help="bybit:private of Bybit's paper trading")
    parser.add_argument("--token-url", metavar="URL", help="with --url, for Cryptomus: the address of its one-time tokens")
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
            raise WrongArguments("argument --url: one socket's address, and several sockets are named")
        if arguments.token_url is not None and (arguments.url is None or not VENUES[words[0].venue].has_token_url):
            those = ", ".join(name for name, venue in VENUES.items() if venue.has_token_url)
            raise WrongArguments(f"argument --token-url: goes with --url, for {those}")
        for each in words:
            if arguments.testnet and not VENUES[each.venue].has_testnet:
                raise WrongArguments(f"argument --testnet: {each} has no test network")
            if arguments.demo and each not in PAPER:
                raise WrongArguments(f"argument --demo: {each} has no paper trading; {', '.join(map(str, PAPER))} has")
        self._settings = {each: self._settings_of(each) for each in words}
        if arguments.local:
            local_classes()  # reports an extra that is not installed before all else

    def __enter__(self) -> "Venues":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def clients(self) -> List[Client]:
        """The clients made so far."""
        return list(self._clients.values())

    def client(self, which: Word, recorder: Optional[Recorder] = None) -> Client:
        """Return the client of a socket; make it at the first call. It connects at its first use."""
        client = self._clients.get(which)
        if client is None:
            timeout, proxy = self._arguments.timeout, getattr(self._arguments, "proxy", None)
            options = Options(connect_timeout=timeout, request_timeout=timeout, recorder=recorder, proxy=proxy)
            settings = {**self._settings[which], "options": options}
            try:
                client = self._make(which, settings)
            except (TypeError, ValueError) as error:
                raise WrongArguments(str(error)) from None
            self._clients[which] = client
            self._stack.callback(client.close)
        return client

    def _make(self, which: Word, settings: Dict[str, Any]) -> Client:
        if self._arguments.local:
            made: Client = self._local_venue(which).client(*([which.socket] if which.socket else []), **settings)
            return made
        venue = VENUES[which.venue]
        return venue.client_class(which.socket)(*venue.positional(which.socket), **settings)

    def look(self) -> None:
        """Raise the error that ended a client, if one has. Let the accounts of local venues trade, once a second at most:
        otherwise there would be nothing to watch."""
        for client in self._clients.values():
            client.wait(0)
        now = time.monotonic()
        if now < self._lively_until:
            return
        self._lively_until = now + 1.0
        for which in self._clients if self._arguments.local else ():
            VENUES[which.venue].liven(which.socket, self._local[which.venue])

    def _settings_of(self, which: Word) -> Dict[str, Any]:
        """Return the keyword arguments of a socket's client."""
        if self._arguments.local:
            return {}
        settings = VENUES[which.venue].settings(which.socket, self._arguments)
        return {"url": self._arguments.url, **settings, **self._keys_of(which)}

    def _keys_of(self, which: Word) -> Mapping[str, str]:
        venue = VENUES[which.venue]
        variables = venue.variables_of(which.socket)
        keys = {argument: os.environ.get(variable, "") for argument, variable in variables.items()}
        if venue.keys_are_optional and not any(keys.values()):
            return {}
        missing = [variables[argument] for argument, value in keys.items() if not value]
        if missing:
            raise WrongArguments(f"{which} needs keys: set the environment variable {' and '.join(missing)}, or use --local")
        return keys

    def _local_venue(self, which: Word) -> Any:
        venue = self._local.get(which.venue)
        if venue is None:
            venue = self._local[which.venue] = self._stack.enter_context(local_classes()[which.venue]())
        VENUES[which.venue].begin(which.socket, venue)
        return venue


def local_classes() -> Dict[str, Any]:
    """Return the classes of the local venues, by name. Raises ``NotInstalled`` without the extra that they need."""
    try:
        return {name: venue.local_class() for name, venue in VENUES.items()}
    except ImportError:
        raise NotInstalled("a local venue", "sim") from None
