"""``VenueTools``: what the command line has to know of a venue, beside its client."""

from __future__ import annotations

import abc
import argparse
import importlib
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Tuple

import dbxsdk
from dbxsdk.cli.words import Topic, Selection
from dbxsdk.client import Client

Moment = Tuple[str, float, float]
"""The source of the venue's time, the time in ms, and its unit in ms."""


class VenueTools(abc.ABC):
    """One venue. ``socket`` is one of ``sockets`` everywhere, or ``""`` if the venue has one socket only."""

    name: str
    sockets: Tuple[str, ...] = ()
    """Their names, if there are several; the first is the default, and may be ``""``: the venue's name alone."""
    clients: Mapping[str, str]
    """The name of each socket's client class."""
    local: str
    """The name of the local venue's class."""
    variables: Mapping[str, str]
    """The environment variable of each key, by the client's argument."""
    keys_are_optional = False
    """True if the socket is useful without keys, too."""
    key_opens = False
    """True if the handshake itself is refused without a key."""
    has_testnet = False
    paper_sockets: Tuple[str, ...] = ()
    """Those that exist for paper trading, too."""
    has_token_url = False

    # -- clients -----------------------------------------------------------------------------------------

    def client_class(self, socket: str) -> Callable[..., Client]:
        found: Callable[..., Client] = getattr(dbxsdk, self.clients[socket])
        return found

    def variables_of(self, socket: str) -> Mapping[str, str]:
        """Return those of ``variables`` that the socket's client takes."""
        return self.variables

    def positional(self, socket: str) -> Tuple[str, ...]:
        """Return the positional arguments of the client's class."""
        return ()

    def settings(self, socket: str, arguments: argparse.Namespace) -> Dict[str, Any]:
        """Return the client's keyword arguments that the command line's options give, but ``url`` and the keys."""
        return {}

    # -- channels ----------------------------------------------------------------------------------------

    @abc.abstractmethod
    def channels(self, socket: str) -> Iterable[str]:
        """Return the channels to offer."""

    def check_selection(self, selection: Selection) -> None:
        """Raise ``WrongArguments`` if the venue does not document it and its client does not check that."""

    def books_of(self, selection: Selection) -> Optional[List[Dict[str, Any]]]:
        """Return the arguments of ``order_book`` for each book of the channel; None if it has none."""
        return None

    # -- recordings --------------------------------------------------------------------------------------

    @abc.abstractmethod
    def topics(self, socket: str, document: Any) -> Iterable[Topic]:
        """Return what a request of the client subscribes. May raise ``ValueError``, ``TypeError``, ``KeyError`` or
        ``AttributeError`` if it is no such request."""

    def socket_of(self, client: str, settings: Mapping[str, Any]) -> str:
        """Return the socket of a recorded client, by its class and settings."""
        return next((socket for socket, name in self.clients.items() if name == client), "")

    def client_of(self, kind: str, frame: Mapping[str, Any]) -> Tuple[str, Mapping[str, Any]]:
        """Return the client class, and its settings, that a frame belongs to, by the words of its ``kind`` and the frame
        itself; a guess if it fits several."""
        return self.clients[""], {}

    # -- local venues ------------------------------------------------------------------------------------

    def local_class(self) -> Any:
        """Return the class of the local venue. Raises ``ImportError`` without the extra that it needs."""
        return getattr(importlib.import_module("dbxsdk.sim"), self.local)

    def local_path(self, socket: str) -> Optional[str]:
        """Return the socket's path at the local venue; None if it has one socket."""
        return None

    def local_symbols(self, socket: str, local: Any) -> List[str]:
        """Return the symbols that the local venue trades on the socket."""
        return list(local.symbols)

    def begin(self, socket: str, local: Any) -> None:
        """Prepare the local venue for a client of the socket."""

    def liven(self, socket: str, local: Any) -> None:
        """Let the local venue's account trade, if there would be nothing to watch otherwise."""

    # -- the doctor --------------------------------------------------------------------------------------

    def logs_in(self, socket: str, has_keys: bool) -> bool:
        """True if the client logs in by a frame of its own; otherwise the key is in the handshake, or there is none."""
        return False

    def read_time(self, socket: str, client: Any) -> Optional[Moment]:
        """Ask the venue for its time, through a client that is ready. None if it offers none."""
        return None
