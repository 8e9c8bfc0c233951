"""``VenueTools``: what the command line has to know of a venue, beside its client."""

from __future__ import annotations

import abc
import argparse
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Tuple

from dbxsdk.cli.words import Topic, Wish
from dbxsdk.client import Client

Moment = Tuple[str, float, float]
"""Who told the venue's time, the time in ms, and its unit in ms."""


class VenueTools(abc.ABC):
    """One venue. ``socket`` is one of ``sockets`` everywhere, or ``""`` where the venue has one socket only."""

    name: str
    sockets: Tuple[str, ...] = ()
    """Of several, their names; the first is meant where none is named."""
    variables: Mapping[str, str]
    """The environment variable of each key, by the client's argument."""
    keys_are_optional = False
    """Whether the socket is of use without keys, too."""
    key_opens = False
    """Whether the handshake itself is refused without a key."""
    has_testnet = False
    paper_sockets: Tuple[str, ...] = ()
    """Those that are there for paper trading, too."""
    has_token_url = False

    # -- clients -----------------------------------------------------------------------------------------

    @abc.abstractmethod
    def client_class(self, socket: str) -> Callable[..., Client]: ...

    def variables_of(self, socket: str) -> Mapping[str, str]:
        """Those of ``variables`` that the socket's client takes."""
        return self.variables

    def positional(self, socket: str) -> Tuple[str, ...]:
        """What the client's class is called with in front of all else."""
        return ()

    def settings(self, socket: str, arguments: argparse.Namespace) -> Dict[str, Any]:
        """The client's keyword arguments that the command line's options give, but ``url`` and the keys."""
        return {}

    # -- channels ----------------------------------------------------------------------------------------

    @abc.abstractmethod
    def channels(self, socket: str) -> Iterable[str]:
        """The channels to offer."""

    def check_wish(self, wish: Wish) -> None:
        """Raise ``WrongArguments`` for what the venue does not document, where its client does not check that itself."""

    def books_of(self, wish: Wish) -> Optional[List[Dict[str, Any]]]:
        """The arguments of ``order_book`` for each book that the channel is about; None where it is about none."""
        return None

    # -- recordings --------------------------------------------------------------------------------------

    @abc.abstractmethod
    def topics(self, socket: str, document: Any) -> Iterable[Topic]:
        """What a request of the client's subscribes. May raise ``ValueError``, ``TypeError``, ``KeyError`` or
        ``AttributeError`` for what is no such request."""

    def socket_of(self, client: str, settings: Mapping[str, Any]) -> str:
        """The socket of a recorded client, by its class and settings."""
        return ""

    @abc.abstractmethod
    def client_of(self, kind: str, frame: Mapping[str, Any]) -> Tuple[str, Mapping[str, Any]]:
        """The client class, and its settings, that a frame belongs to, by the words of its ``kind`` and the frame itself.
        Where it fits several, a guess."""

    # -- local venues ------------------------------------------------------------------------------------

    @abc.abstractmethod
    def local_class(self) -> Any:
        """The class of the local venue. Raises ``ImportError`` without the extra that it needs."""

    def local_path(self, socket: str) -> Optional[str]:
        """The socket's path at the local venue; None where there is one."""
        return None

    def local_symbols(self, socket: str, local: Any) -> List[str]:
        """What the local venue trades on the socket."""
        return list(local.symbols)

    def begin(self, socket: str, local: Any) -> None:
        """A client of the local venue's socket is about to be made."""

    def liven(self, socket: str, local: Any) -> None:
        """Move the local venue's account on, where nothing else would and something is watched there."""

    # -- the doctor --------------------------------------------------------------------------------------

    def logs_in(self, socket: str, has_keys: bool) -> bool:
        """Whether the client logs in by a frame of its own; elsewhere the key is in the handshake, or there is none."""
        return False

    def read_time(self, socket: str, client: Any) -> Optional[Moment]:
        """Ask the venue for its time, through a client that is ready. None where it has no way to tell."""
        return None
