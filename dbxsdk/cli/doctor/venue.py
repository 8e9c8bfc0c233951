"""The doctor's checks of one venue's socket, from the proxy to the clock, each only where those before it let it be."""

from __future__ import annotations

import statistics
import time
from typing import Any, Callable, Dict, Iterator, Optional, Tuple

import attrs

from dbxsdk.cli.doctor.certificate import Certificate
from dbxsdk.cli.doctor.checks import ADVICE, Check, failed, ok, skipped, status_advice
from dbxsdk.cli.doctor.probe import Answer, Obstacle, Probe
from dbxsdk.cli.rendering import one_line
from dbxsdk.cli.venues import VENUES
from dbxsdk.cli.words import Word
from dbxsdk.clock_skew import amount, bounds, middle
from dbxsdk.client import Client
from dbxsdk.errors import AuthError, ConnectError, DbxError, OutcomeUnknown
from dbxsdk.transport import Address

PINGS = 3
NOTABLE_MS = 1000
"""A clock that is so wrong lets orders fail at some venues."""
BROKEN_MS = 10_000
"""A clock that is so wrong lets logins fail, and with other programs, too."""


_TIMED = ("dns", "tcp", "tunnel", "tls", "token", "handshake", "login")


class _Pointless(Exception):
    """The step, and those after it, cannot be: the message says why."""


class Examination:
    """One socket's checks, told one by one. Whoever made the client closes it."""

    def __init__(
        self,
        which: Word,
        client: Client,
        *,
        proxy: Optional[str],
        timeout: float,
        has_keys: bool,
        needs_keys: bool,
        tell: Callable[[Check], None],
    ) -> None:
        """``has_keys``: the client has good ones, else stand-ins or none."""
        self._which = which
        self._venue = VENUES[which.venue]
        self._client = client
        session = client._session
        self._address: Address = session._address  # what the client itself connects to, key included
        self._prepare = session._prepare
        self._probe = Probe(self._address, proxy, timeout)
        self._has_keys = has_keys
        self._needs_keys = needs_keys
        self._tell = tell
        self._proxy = ""
        self._answer: Optional[Answer] = None
        self._ready = False

    def run(self) -> None:
        """All the checks. Does not raise."""
        try:
            why = ""
            for name, step in self._steps():
                why = self._take(name, step, why) or why
        finally:
            self._probe.close()

    def _take(self, name: str, step: Callable[[], Check], why: str) -> str:
        """Tells the step's check. Returns why those after it are pointless, ``""`` where they are not."""
        # A clock may be told by an answer that says no.
        if why and not (name == "clock" and self._answer is not None):
            self._tell(skipped(name, why))
            return why
        started = time.monotonic()
        try:
            check = step()
        except _Pointless as error:
            check, why = skipped(name, str(error)), str(error)
        except Obstacle as error:
            check = failed(name, error.cause, one_line(error), **error.figures)
        except DbxError as error:
            cause = "no_answer" if isinstance(error, OutcomeUnknown) else "venue_failed"
            check = failed(name, cause, one_line(error))
        except Exception as error:  # whatever it is, the other venues are examined
            check = failed(name, "unexpected", f"{type(error).__name__}: {one_line(error)}")
        self._tell(_shown(check, (time.monotonic() - started) * 1000))
        return f"not tried, since {name} failed" if check.outcome == "failed" else why

    def _steps(self) -> Iterator[Tuple[str, Callable[[], Check]]]:
        yield "proxy", self._find_proxy
        yield "dns", self._look_up
        yield "tcp", self._tcp
        if self._proxy:
            yield "tunnel", self._tunnel
        yield "tls", self._tls
        if self._prepare is not None:
            yield "token", self._token
        yield "handshake", self._handshake
        if self._logs_in:
            yield "login", self._log_in
        yield "ping", self._ping
        yield "clock", self._clock

    @property
    def _logs_in(self) -> bool:
        """By a frame of its own; elsewhere the key is in the handshake, or there is none."""
        return self._venue.logs_in(self._which.socket, self._has_keys)

    # -- the steps -----------------------------------------------------------------------------------

    def _find_proxy(self) -> Check:
        self._proxy, source = self._probe.find_proxy()
        told = f"{self._proxy} by {source}" if self._proxy else f"none: {source}"
        return ok("proxy", told, proxy=self._proxy or None, source=source)

    def _look_up(self) -> Check:
        addresses = self._probe.look_up()
        more = f" and {len(addresses) - 4} more" if len(addresses) > 4 else ""
        whose = "the proxy is" if self._proxy else "it is"
        return ok("dns", f"{whose} at {', '.join(addresses[:4])}{more}", addresses=addresses)

    def _tcp(self) -> Check:
        address = self._probe.tcp()
        return ok("tcp", f"connected to {address}", address=address)

    def _tunnel(self) -> Check:
        self._probe.tunnel()
        return ok("tunnel", f"through the proxy to {self._address.endpoint}")

    def _tls(self) -> Check:
        if not self._probe.is_secure:
            return skipped("tls", "a ws:// address has none")
        tls = self._probe.tls()
        return ok(
            "tls", f"{tls.version}, {tls.cipher}", version=tls.version, cipher=tls.cipher, certificate=tls.certificate
        )

    def _token(self) -> Check:
        self._want_keys()
        assert self._prepare is not None
        try:
            self._address = self._prepare(self._address, lambda raw: None)
        except AuthError as error:
            return failed("token", "token_refused", error.message, status=error.code)
        except ConnectError as error:
            return failed("token", "token_host_failed", one_line(error))
        return ok("token", "the venue gave a one-time token")

    def _handshake(self) -> Check:
        if self._venue.key_opens:
            self._want_keys()
        self._answer = answer = self._probe.handshake(self._address)
        if answer.status == 101:
            return ok("handshake", "the venue takes WebSocket connections", status=101)
        told = f"the venue answered HTTP {answer.status}"
        if answer.retry_after is not None:
            told += f" and wants to be left alone for {answer.retry_after:.0f} s"
        advice = status_advice(answer.status)
        return failed("handshake", f"http_{answer.status}", told, advice, status=answer.status, retry_after=answer.retry_after)

    def _log_in(self) -> Check:
        self._want_keys()
        try:
            self._client.open()
        except AuthError as error:
            return failed("login", "login_refused", one_line(error), code=error.code)
        return ok("login", "the venue takes the key")

    def _ping(self) -> Check:
        self._client.open()
        times = sorted(self._client.ping() * 1000 for _ in range(PINGS))
        self._ready = True
        told = f"round trips by the venue's own ping: {', '.join(f'{each:.1f}' for each in times)}"
        return ok("ping", f"{told} ms", ms=round(statistics.median(times), 3))

    def _clock(self) -> Check:
        source, venue_ms, unit_ms, asked, answered = self._read_clock()
        low, high = bounds(venue_ms, unit_ms, asked * 1000, answered * 1000)
        skew, within = middle(low, high), (high - low) / 2
        figures: Dict[str, Any] = {"skew_ms": round(skew), "within_ms": round(within), "source": source}
        if abs(skew) < NOTABLE_MS:
            return ok("clock", f"it agrees with the venue's to {within / 1000:.2f} s ({source})", **figures)
        told = f"this machine's is {amount(skew)} ({source})"
        if abs(skew) >= BROKEN_MS:
            return failed("clock", "clock_off", told, **figures)
        return Check("clock", "warning", told, "clock_off", ADVICE["clock_off"], figures)

    # -- below ---------------------------------------------------------------------------------------

    def _want_keys(self) -> None:
        if self._needs_keys and not self._has_keys:
            raise _Pointless("it needs a key, and there is no good one")

    def _read_clock(self) -> Tuple[str, float, float, float, float]:
        """What told it, the time in ms and its unit in ms, and when it was asked for and answered by this machine's clock."""
        if self._ready:
            asked = time.time()
            told = self._venue.read_time(self._which.socket, self._client)
            if told is not None:
                return (*told, asked, time.time())
        if self._answer is None or self._answer.date is None:
            raise _Pointless("the venue did not tell its time")
        return "HTTP's Date", self._answer.date * 1000, 1000, self._answer.asked, self._answer.answered


def _shown(check: Check, took_ms: float) -> Check:
    """The same with its time, and its certificate as text."""
    if check.outcome == "ok" and check.name in _TIMED:
        check = attrs.evolve(check, told=f"{check.told}, {took_ms:.1f} ms")
    check.figures.setdefault("ms", round(took_ms, 3))
    certificate: Optional[Certificate] = check.figures.pop("certificate", None)
    if certificate is None:
        return check
    begin, end = (f"{moment:%Y-%m-%d %H:%M} UTC" for moment in (certificate.valid_from, certificate.valid_until))
    names = {"subject": certificate.subject, "issuer": certificate.issuer}
    figures = {**check.figures, **names, "valid_from": begin, "valid_until": end}
    told = f"certificate of {certificate.subject or 'nobody'}, issued by {certificate.issuer or 'nobody'}"
    if check.outcome == "ok":
        told = f"{check.told}; {told}, good until {end}"
    else:
        told = f"{check.told}: {told}, good from {begin} to {end}; this machine's clock says {_now()}"
    return attrs.evolve(check, told=told, figures=figures)


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
