"""Serving: one process at a time holds the lease, and leads for a term; others wait to take over."""

from __future__ import annotations

import hashlib
from typing import Any, Callable, Dict, Optional, Sequence

from dbxsdk import codec
from dbxsdk.client import Client
from dbxsdk.errors import DbxError, ProtocolError
from dbxsdk.relay.entries import FORMAT
from dbxsdk.relay.keys import Keys
from dbxsdk.relay.lease import ANSWER, Lease
from dbxsdk.relay.server import Link, RelayDown, Server, check_version, not_ours
from dbxsdk.relay.term import LOOK, RelayStatus, Term
from dbxsdk.relay.writer import Bounds, Fenced
from dbxsdk.runtime.clock import wall_ns
from dbxsdk.runtime.log import ClientLog
from dbxsdk.version import __version__


class Serving:
    """Serves one client under its name, in one thread's ``run``."""

    def __init__(
        self,
        server: Server,
        keys: Keys,
        client: Client,
        topics: Optional[Sequence[str]],
        bounds: Bounds,
        stopping: Callable[[float], bool],
    ) -> None:
        """``topics``: the fixed set; None: what workers want. ``stopping(seconds)`` waits, and is True once it has to end."""
        self._server, self._keys, self._client, self._fixed, self._bounds = server, keys, client, topics, bounds
        self._stopping = stopping
        self._protocol = client._protocol
        self._callbacks = client._event_callbacks
        self._log = ClientLog("dbxsdk.relay", self._protocol.venue, keys.name)
        self._lease = Lease(keys)
        self._what = self._identity()
        self._term: Optional[Term] = None
        self._least_epoch = 0
        """What a later leader has written by, and more: to be able to follow it."""

    def _identity(self) -> Dict[str, Any]:
        """What is served: two that differ in it must not have one name."""
        client, protocol = self._client, self._protocol
        url = client._address.url.partition("?")[0]
        key = _key_of(client)
        account = "" if not key else hashlib.sha256(f"{self._keys.prefix}\n".encode() + key.encode()).hexdigest()[:16]
        fixed = None if self._fixed is None else sorted(self._fixed)
        return {"client": protocol.client, "url": url, "account": account, "topics": fixed}

    # -- the lease -----------------------------------------------------------------------------------

    def run(self) -> None:
        """Wait for the lease, lead, and so on until it has to end. Raises what makes serving useless."""
        link = self._server.connect(ANSWER)
        try:
            check_version(link, self._server.endpoint)
            self._check_others(link)
            patience = 0.0
            first, reached = True, False
            while not self._stopping(patience):
                patience = LOOK
                try:
                    taken, reached = self._lease.take(link), True
                    if taken:
                        self._lead(link, first)
                        first = False
                    else:
                        self._check_others(link)
                except RelayDown as error:
                    if not reached:
                        raise
                    self._log.warning("the relay's server is away: %s", error)
                    link = self._reconnected(link)
        finally:
            link.close()

    def _reconnected(self, link: Link) -> Link:
        """A new connection once there is one, or the old one at the end."""
        while not self._stopping(LOOK):
            link.close()
            try:
                return self._server.connect(ANSWER)
            except RelayDown:
                pass
        return link

    def _check_others(self, link: Link) -> None:
        """Raise ``DbxError`` if something else is being served under this name."""
        held, said = link.call_all([("GET", self._keys.lease), ("GET", self._keys.serving)])
        for each in (held, said):
            if isinstance(each, DbxError):
                raise each
        if held is None or said is None:
            return
        try:
            theirs = codec.decode_object(said)
        except ProtocolError:
            raise not_ours(self._server.endpoint, self._keys.serving) from None
        for what, ours in self._what.items():
            if theirs.get(what) != ours:
                raise DbxError(
                    f"{self._server.endpoint}: another process serves {self._keys.name} with other {what} under the prefix "
                    f"{self._keys.prefix!r}: give one of them another prefix"
                )
        if theirs.get("format") != FORMAT.decode():
            raise DbxError(
                f"{self._server.endpoint}: another process serves {self._keys.name} by dbxsdk {theirs.get('version')}, whose "
                f"entries have another format than those of {__version__}: update the older one, or give one another prefix"
            )

    # -- a term of leadership --------------------------------------------------------------------------

    def _lead(self, link: Link, first: bool) -> None:
        epoch = self._new_epoch(link)
        term = Term(
            self._server,
            self._keys,
            self._client,
            self._fixed,
            self._bounds,
            self._lease,
            self._log,
            self._callbacks,
            link,
            epoch,
        )
        try:
            term.begin()
            self._term = term
            term.run(self._stopping, first)
        except Fenced as error:
            self._log.warning("%s", error)
            self._least_epoch = error.epoch + 1
        finally:
            self._term = None
            term.end()

    def status(self) -> RelayStatus:
        """What it is doing. By any thread."""
        term = self._term
        if term is None:
            return RelayStatus(self._keys.name, False)
        return term.status()

    def _new_epoch(self, link: Link) -> int:
        try:
            stored = int(link.call("GET", self._keys.epoch) or 0)
        except ValueError:
            raise not_ours(self._server.endpoint, self._keys.epoch) from None
        epoch = max(wall_ns() // 1_000_000, stored + 1, self._last_written(link) + 1, self._least_epoch)
        link.call("SET", self._keys.epoch, epoch)
        link.call("SET", self._keys.serving, codec.encode({**self._what, "format": FORMAT.decode(), "version": __version__}))
        return epoch

    def _last_written(self, link: Link) -> int:
        """The newest epoch in the streams, in case that the stored one was lost."""
        newest = link.call("XREVRANGE", self._keys.control, "+", "-", "COUNT", 1)
        return int(newest[0][0].partition(b"-")[0]) if newest else 0


def _key_of(client: Client) -> str:
    """What tells one account from another: the key's public part, or the user's id; "" for market data."""
    keys: Any = getattr(client, "_keys", None) or (getattr(getattr(client, "_credentials", None), "api_key", None),)
    return next((each for each in (*keys[:1], client._address.headers.get("x-api-key")) if each), "")
