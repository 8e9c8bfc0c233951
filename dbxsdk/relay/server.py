"""The Redis server: its address, and connections to it whose failures are this package's errors."""

from __future__ import annotations

import contextlib
from typing import Any, List, Optional, Sequence, Tuple
from urllib.parse import parse_qs, unquote, urlsplit

import attrs

from dbxsdk.arguments import check_text
from dbxsdk.credentials import hide
from dbxsdk.errors import AuthError, ConnectError, DbxError, without_frames
from dbxsdk.runtime.fork import importing

SCHEMES = ("redis", "rediss", "unix", "redis+sentinel")
OLDEST = (6, 2)
"""Redis 6.2 has all that is used; Valkey says that it is 7.2 or later."""
PATIENCE = 5.0
"""Seconds that an answer of the server may take."""
_PORT, _SENTINEL_PORT = 6379, 26379


class RelayDown(ConnectError):
    """The server cannot be reached, or does not take commands at present: a later attempt may succeed."""

    answered = False
    """True if the server said so itself: the connection is as good as before."""


class CommandRefused(DbxError):
    """The server refused one command. ``code`` is the first word of its answer."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


@attrs.frozen(eq=False)
class Server:
    """Where a Redis server is. The URL may hold a password and stays out of ``repr``."""

    url: str = attrs.field(repr=False)
    host: str
    port: int

    def __attrs_post_init__(self) -> None:
        parts = urlsplit(self.url)
        written = (parts.password, unquote(parts.password or ""), *parse_qs(parts.query).get("password", ()))
        hide(self, tuple(filter(None, written)))

    @property
    def endpoint(self) -> str:
        """What messages call it."""
        return f"redis at {self.host}:{self.port}" if self.port else f"redis at {self.host}"

    def connect(self, patience: float = PATIENCE) -> "Link":
        """Return a new connection, open and logged in. ``patience``: seconds that an answer may take, this one's included.

        Raises ``AuthError`` if the server refuses the user or the password, ``RelayDown`` for everything else.
        """
        connection = self._connection(patience)
        link = Link(connection, self.endpoint)
        try:
            connection.connect()
        except link._errors as error:
            raise described(error, self.endpoint) from None
        return link

    def _connection(self, patience: float) -> Any:
        redis = load_redis()
        with importing():
            from redis.backoff import NoBackoff
            from redis.retry import Retry
        # Without repeats of its own: whoever repeats has to know that it does.
        settings = {
            "decode_responses": False,
            "socket_timeout": patience,
            "socket_connect_timeout": patience,
            "retry": Retry(NoBackoff(), 0),
            "protocol": 2,
        }
        parts = urlsplit(self.url)
        if parts.scheme == "redis+sentinel":
            with importing():
                from redis import sentinel
            service, _, number = parts.path.strip("/").partition("/")
            if parts.password:
                settings["password"] = unquote(parts.password)
            if parts.username:
                settings["username"] = unquote(parts.username)
            finder: Any = sentinel
            sentinels = finder.Sentinel(_hosts(parts.netloc), sentinel_kwargs={"socket_timeout": patience / 2}, **settings)
            pool = sentinels.master_for(service, db=int(number or 0)).connection_pool
        else:
            pool = redis.ConnectionPool.from_url(self.url, **settings)
        return pool.connection_class(**{**pool.connection_kwargs, **settings})


class Link:
    """One connection to the server, for one thread; ``interrupt`` alone may be called by another."""

    def __init__(self, connection: Any, endpoint: str) -> None:
        self._connection = connection
        self._endpoint = endpoint
        self._errors = (load_redis().RedisError, OSError)
        self.broken = False
        """True while the last attempt to use it has failed."""

    def call(self, *command: Any) -> Any:
        """Return the answer to one command. Raises ``CommandRefused``, or what ``described`` makes of the failure."""
        (answer,) = self.call_all([command])
        if isinstance(answer, DbxError):
            raise answer
        return answer

    def call_all(self, commands: Sequence[Tuple[Any, ...]]) -> List[Any]:
        """Return the answers to commands that are sent together; a ``CommandRefused`` stands in the place of an answer that
        refuses. Raises ``RelayDown`` if the connection fails: then it is not known which were carried out."""
        connection = self._connection
        try:
            connection.send_packed_command([b"".join(map(packed, commands))], check_health=False)
        except self._errors as error:
            self.broken = True
            raise described(error, self._endpoint) from None
        answers = [self._answer(command) for command in commands]
        self.broken = False
        return answers

    def _answer(self, command: Tuple[Any, ...]) -> Any:
        try:
            return self._connection.read_response()
        except self._errors as error:
            found = described(error, self._endpoint)
        if isinstance(found, RelayDown) and not found.answered:
            self.broken = True
            raise found
        if isinstance(found, CommandRefused) and found.code == "WRONGTYPE":
            return not_ours(self._endpoint, *_keys_in(command))
        return found

    def interrupt(self) -> None:
        """Have a thread that waits for an answer get an error at once."""
        sock: Any = getattr(self._connection, "_sock", None)
        with contextlib.suppress(OSError, AttributeError):
            sock.shutdown(2)  # both ways; the descriptor is closed by its own thread

    def renew(self, fresh: "Link") -> None:
        """Go on over ``fresh``'s connection."""
        self.close()
        self._connection, self.broken = fresh._connection, False

    def close(self) -> None:
        """Close it. In a forked child this leaves the parent's connection as it is."""
        with contextlib.suppress(Exception):
            self._connection.disconnect()


def not_ours(endpoint: str, *keys: str) -> CommandRefused:
    """Return what to raise if ``keys``, or one of them, hold what no relay has written."""
    names = " or ".join(map(repr, keys))
    return CommandRefused(
        f"{endpoint}: the key {names} holds another program's data: delete it, or give the relay another prefix", "WRONGTYPE"
    )


def _keys_in(command: Sequence[Any]) -> List[str]:
    """The keys that a command names."""
    if "STREAMS" in command:
        rest = command[command.index("STREAMS") + 1:]
        keys = rest[:len(rest) // 2]
    else:
        keys = command[2:3] if command[0] in ("XINFO", "XGROUP") else command[1:2]
    return [key.decode("utf-8", "replace") if isinstance(key, bytes) else str(key) for key in keys]


def packed(command: Sequence[Any]) -> bytes:
    """Return a command as the server reads it: bytes, texts and whole numbers."""
    parts = [b"*%d\r\n" % len(command)]
    for each in command:
        if type(each) is not bytes:
            each = each.encode() if type(each) is str else b"%d" % each
        parts.append(b"$%d\r\n%b\r\n" % (len(each), each))
    return b"".join(parts)


def described(error: BaseException, endpoint: str) -> DbxError:
    """Return what a failure of redis-py means, without its traceback, whose variables hold the password."""
    redis = load_redis()
    name, text = type(error).__name__, str(without_frames(error))
    if isinstance(error, redis.AuthenticationError) or text.startswith(("WRONGPASS", "NOAUTH", "invalid username-password")):
        return AuthError(f"{endpoint}: the server refused the user or the password; check the relay's URL", code="WRONGPASS")
    if name == "NoPermissionError" or text.startswith("NOPERM"):
        return AuthError(f"{endpoint}: the user lacks a right that the relay needs: {text}; extend its ACL", code="NOPERM")
    if isinstance(error, redis.ResponseError) or (name in ("ReadOnlyError", "BusyLoadingError")):
        code = {"ReadOnlyError": "READONLY", "OutOfMemoryError": "OOM", "BusyLoadingError": "LOADING"}.get(name, "")
        code = code or text.partition(" ")[0]
        if code in _PASSING:
            down = RelayDown(f"{endpoint}: {_PASSING[code]}")
            # The connection is as good as before, but for answers that redis-py takes for its end (LOADING): it has closed it.
            down.answered = not isinstance(error, redis.ConnectionError)
            return down
        return CommandRefused(f"{endpoint}: {text}", code)
    return RelayDown(f"{endpoint}: {text or name}")


_PASSING = {
    "READONLY": "this is a replica, which takes no writes: the relay's URL must be that of the primary",
    "OOM": "the server is out of memory (maxmemory): nothing can be written",
    "LOADING": "the server is loading its data",
    "UNBLOCKED": "the server has become a replica",
    "MASTERDOWN": "the replica has lost its primary",
    "MISCONF": "the server cannot save its data and takes no writes",
    "NOREPLICAS": "the server has too few replicas and takes no writes",
}
"""Answers that may be another in a while."""


def load_redis() -> Any:
    """Return the package ``redis``. Raises ``ImportError`` naming the extra if it is not installed."""
    try:
        with importing():
            import redis
    except ImportError as error:
        raise ImportError('dbxsdk.Relay needs the package "redis": pip install "dbxsdk[redis]"') from error
    return redis


def check_url(url: Any) -> Server:
    """Return the server of a relay's URL, or raise a ``TypeError``/``ValueError`` that names ``url`` and not what is in it."""
    text = check_text("url", url)
    wanted = "url must be like redis://[user:password@]host:6379/0 (or rediss://, unix://, redis+sentinel://host:26379/service/0)"
    try:
        parts = urlsplit(text)
        if parts.scheme == "redis+sentinel":
            hosts, path = _hosts(parts.netloc), parts.path.strip("/").split("/")
            if not path[0] or len(path) > 2 or not (path[1:] or ["0"])[0].isdecimal():
                raise ValueError
            return Server(text, f"sentinel {hosts[0][0]}", hosts[0][1])
        if parts.scheme == "unix":
            if not parts.path:
                raise ValueError
            return Server(text, parts.path, 0)
        number = parts.path.strip("/") or "0"
        if parts.scheme not in SCHEMES or not parts.hostname or not number.isdecimal() or text != text.strip():
            raise ValueError
        return Server(text, parts.hostname, parts.port or _PORT)
    except ValueError:
        raise ValueError(wanted) from None


def _hosts(netloc: str) -> List[Tuple[str, int]]:
    hosts = []
    for each in netloc.rpartition("@")[2].split(","):
        parts = urlsplit(f"//{each}")
        if not parts.hostname:
            raise ValueError("no host")
        hosts.append((parts.hostname, parts.port or _SENTINEL_PORT))
    return hosts


def check_version(link: Link, endpoint: str) -> None:
    """Raise ``ConnectError`` if the server is too old. One whose version may not be asked for is taken as it is."""
    version = _version(link)
    if version is not None and version < OLDEST:
        wanted, found = (".".join(map(str, each)) for each in (OLDEST, version))
        raise ConnectError(f"{endpoint}: the relay needs Redis {wanted} or later, or Valkey; this is {found}")


def _version(link: Link) -> Optional[Tuple[int, ...]]:
    try:
        lines = link.call("INFO", "server").decode("utf-8", "replace").splitlines()
        text = next(line.partition(":")[2] for line in lines if line.startswith("redis_version:"))
        return tuple(int(part) for part in text.split(".")[:2])
    except (CommandRefused, AuthError, ValueError, StopIteration):
        return None
