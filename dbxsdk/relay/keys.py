"""Keys: what the relay's data in Redis is called, and which client a name means. All begin with the relay's prefix."""

from __future__ import annotations

import inspect
import re
import sys
from typing import Any, Dict, Iterator, Mapping, Tuple, Type

import attrs

from dbxsdk.arguments import check_text, nearest
from dbxsdk.client import Client
from dbxsdk.runtime.lazy_import import exported

_CREDENTIALS = ("api_key", "api_secret", "user_id")
_STAND_IN = "relayed"
_PREFIX = re.compile(r"[A-Za-z0-9_.:/{}-]{1,64}")
_NAME = re.compile(r"[A-Za-z0-9_.:/-]{1,64}")


@attrs.frozen
class Keys:
    """The keys of one relayed client."""

    prefix: str
    name: str

    def _key(self, what: str) -> str:
        return f"{self.prefix}:{self.name}:{what}"

    def topic(self, topic: str) -> str:
        """The stream of a topic's updates."""
        return self._key(f"topic:{topic}")

    def whole(self, topic: str) -> str:
        """The state with which a late reader of ``topic`` begins, and the position that it belongs to."""
        return self._key(f"whole:{topic}")

    def durable(self, consumer: str) -> str:
        """The positions of a durable reader: a hash by topic."""
        return self._key(f"durable:{consumer}")

    @property
    def control(self) -> str:
        """The stream of what happens to the serving client."""
        return self._key("control")

    @property
    def lease(self) -> str:
        """Who serves; expires with it."""
        return self._key("lease")

    @property
    def epoch(self) -> str:
        """The last epoch."""
        return self._key("epoch")

    @property
    def serving(self) -> str:
        """What is served under this name: see ``lease``."""
        return self._key("serving")

    @property
    def topics(self) -> str:
        """The set of topics that have streams."""
        return self._key("topics")

    @property
    def wanted(self) -> str:
        """What workers want: a sorted set of topics by the time (s, the server's) until which each is wanted."""
        return self._key("wanted")

    @property
    def readers(self) -> str:
        """Who follows: a hash by worker of what each says of itself."""
        return self._key("readers")

    @property
    def calls(self) -> str:
        """A list of what workers ask the serving process: topics to join, or ``""`` for a sign of life."""
        return self._key("calls")


def check_prefix(value: Any) -> str:
    """Return ``value``, or raise a ``TypeError``/``ValueError`` naming ``prefix``."""
    text = check_text("prefix", value)
    if not _PREFIX.fullmatch(text):
        raise ValueError(f"prefix must be 1 to 64 letters, digits or any of _.:/{{}}-, not {text[:80]!r}")
    return text


def check_consumer(argument: str, value: Any) -> str:
    """Return a name of a durable reader or a group, or raise a ``TypeError``/``ValueError`` naming ``argument``."""
    text = check_text(argument, value)
    if not _NAME.fullmatch(text):
        raise ValueError(f"{argument} must be 1 to 64 letters, digits or any of _.:/-, not {text[:80]!r}")
    return text


def kind_of(name: Any) -> Tuple[Type[Client], Dict[str, Any]]:
    """Return the class of the client that is relayed as ``name``, and the arguments that make one without anything secret.
    Raises ``TypeError``/``ValueError`` naming ``name`` if there is none."""
    text = check_text("name", name)
    venue = text.partition(":")[0].lower()
    for kind in _clients(venue):
        if text in kind._relayed:
            return kind, {**_stand_ins(kind), **kind._relayed[text]}
    known = [each for kind in _clients() for each in kind._relayed]
    raise ValueError(f"name must be one of {', '.join(known)}, not {text[:80]!r}; did you mean {nearest(text[:80], known)!r}?")


def _clients(venue: str = "") -> Iterator[Type[Client]]:
    for each in sys.modules["dbxsdk"].__all__:
        if each.endswith("Client") and each.lower().startswith(venue):
            kind = exported(each)
            if kind is not Client:
                yield kind


def _stand_ins(kind: Type[Client]) -> Mapping[str, str]:
    return {name: _STAND_IN for name in inspect.signature(kind).parameters if name in _CREDENTIALS}
