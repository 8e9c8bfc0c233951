"""The doctor's checks of one venue's socket, from the proxy to the clock, each only if those before it succeeded."""

from __future__ import annotations

import statistics
import time
from typing import Any, Callable, Dict, Iterator, Optional, Tuple

import attrs

from dbxsdk.cleaning import clean
from dbxsdk.cli.doctor.certificate import Certificate
from dbxsdk.cli.doctor.checks import ADVICE, Check, failed, ok, skipped
from dbxsdk.cli.doctor.probe import Answer, Obstacle, Probe
from dbxsdk.cli.venues import VENUES
from dbxsdk.cli.words import Word
from dbxsdk.clock_skew import amount, bounds, middle
from dbxsdk.client import Client
from dbxsdk.errors import AuthError, ConnectError, DbxError, OutcomeUnknown
from dbxsdk.transport import Address

PINGS = 3
NOTABLE_MS = 1000
"""A clock wrong by so much makes orders fail at some venues."""
BROKEN_MS = 10_000
"""A clock wrong by so much makes logins fail, and with other programs, too."""


_TIMED = ("dns", "tcp", "tunnel", "tls", "token", "handshake", "login")


class _Pointless(Exception):
    """The step, and those after it, are impossible: the message says why."""


class Examination:
    """One socket's checks, reported one by one. It does not close the client."""

    def __init__(
        self,
        which: Word,
        client: Client,
        *,
        proxy: Optional[str],
        timeout: float,
        has_keys: bool,
        needs_keys: bool,
        report: Callable[[Check], None],
    ) -> None:
        """Prepare; ``has_keys``: the client has good ones, else stand-ins or none."""
        self._which = which
        self._venue = VENUES[which.venue]
        self._client = client
        self._address: Address = client._address  # what the client itself connects to, key included
        self._prepare = client._prepare
        self._probe = Probe(self._address, proxy, timeout)
        self._has_keys = has_keys
        self._needs_keys = needs_keys
        self._report = report
        self._proxy = ""
        self._answer: Optional[Answer] = None
        self._ready = False

    def run(self) -> None:
        """Make all checks. Never raises."""
        try:
            why = ""
            for name, step in self._steps():
                why = self._take(name, step, why) or why
        finally:
            self._probe.close()

    def _take(self, name: str, step: Callable[[], Check], why: str) -> str:
        """Report the step's check. Return why the steps after it are pointless, ``""`` if they are not."""
        # A refusal, too, shows the venue's clock.
        if why and not (name == "clock" and self._answer is not None):
            self._report(skipped(name, why))
            return why
        started = time.monotonic()
        try:
            check = step()
        except _Pointless as error:
            check, why = skipped(name, str(error)), str(error)
        except Obstacle as error:
            check = failed(name, error.cause, clean(error), **error.figures)
        except DbxError as error:
            cause = "no_answer" if isinstance(error, OutcomeUnknown) else "venue_failed"
            check = failed(name, cause, clean(error))
        except Exception as error:  # any error: the other venues are examined nevertheless
            check = failed(name, "unexpected", f"{type(error).__name__}: {clean(error)}")
        self._report(_shown(check, (time.monotonic() - started) * 1000))
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
        """True if the client logs in by a frame of its own; otherwise the key is in the handshake, or there is none."""
        return self._venue.logs_in(self._which.socket, self._has_keys)

    # -- the steps -----------------------------------------------------------------------------------

    def _find_proxy(self) -> Check:
        self._proxy, source = self._probe.find_proxy()
        message = f"{self._proxy} by {source}" if self._proxy else f"none: {source}"
        return ok("proxy", message, proxy=self._proxy or None, source=source)

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
        if not self._address.secure:
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
            return failed("token", "token_host_failed", clean(error))
        return ok("token", "the venue gave a one-time token")

    def _handshake(self) -> Check:
        if self._venue.key_opens:
            self._want_keys()
        self._answer = answer = self._probe.handshake(self._address)
        if answer.status == 101:
            return ok("handshake", "the venue accepts WebSocket connections", status=101)
        message = f"the venue answered HTTP {answer.status}"
        if answer.retry_after is not None:
            message += f" and asks for a pause of {answer.retry_after:.0f} s"
        advice = ADVICE.get(f"http_{answer.status}") or ADVICE["http_5xx" if answer.status >= 500 else "http_other"]
        return failed("handshake", f"http_{answer.status}", message, advice, status=answer.status, retry_after=answer.retry_after)

    def _log_in(self) -> Check:
        self._want_keys()
        try:
            self._client.open()
        except AuthError as error:
            return failed("login", "login_refused", clean(error), code=error.code)
        return ok("login", "the venue accepts the key")

    def _ping(self) -> Check:
        self._client.open()
        times = sorted(self._client.ping() * 1000 for _ in range(PINGS))
        self._ready = True
        message = f"round trips by the venue's own ping: {', '.join(f'{each:.1f}' for each in times)}"
        return ok("ping", f"{message} ms", ms=round(statistics.median(times), 3))

    def _clock(self) -> Check:
        source, venue_ms, unit_ms, asked, answered = self._read_clock()
        low, high = bounds(venue_ms, unit_ms, asked * 1000, answered * 1000)
        skew, within = middle(low, high), (high - low) / 2
        figures: Dict[str, Any] = {"skew_ms": round(skew), "within_ms": round(within), "source": source}
        if abs(skew) < NOTABLE_MS:
            return ok("clock", f"it agrees with the venue's to {within / 1000:.2f} s ({source})", **figures)
        message = f"this machine's is {amount(skew)} ({source})"
        if abs(skew) >= BROKEN_MS:
            return failed("clock", "clock_off", message, **figures)
        return Check("clock", "warning", message, "clock_off", ADVICE["clock_off"], figures)

    # -- below ---------------------------------------------------------------------------------------

    def _want_keys(self) -> None:
        if self._needs_keys and not self._has_keys:
            raise _Pointless("it needs a key, and no plausible one is set")

    def _read_clock(self) -> Tuple[str, float, float, float, float]:
        """Return the source, the time in ms and its unit in ms, and this machine's time before and after."""
        if self._ready:
            asked = time.time()
            message = self._venue.read_time(self._which.socket, self._client)
            if message is not None:
                return (*message, asked, time.time())
        if self._answer is None or self._answer.date is None:
            raise _Pointless("the venue did not send its time")
        return "HTTP's Date", self._answer.date * 1000, 1000, self._answer.asked, self._answer.answered


def _shown(check: Check, took_ms: float) -> Check:
    """Return the check with its duration, and its certificate as text."""
    if check.outcome == "ok" and check.name in _TIMED:
        check = attrs.evolve(check, message=f"{check.message}, {took_ms:.1f} ms")
    check.figures.setdefault("ms", round(took_ms, 3))
    certificate: Optional[Certificate] = check.figures.pop("certificate", None)
    if certificate is None:
        return check
    begin, end = (f"{moment:%Y-%m-%d %H:%M} UTC" for moment in (certificate.valid_from, certificate.valid_until))
    names = {"subject": certificate.subject, "issuer": certificate.issuer}
    figures = {**check.figures, **names, "valid_from": begin, "valid_until": end}
    message = f"certificate of {certificate.subject or 'unknown'}, issued by {certificate.issuer or 'unknown'}"
    if check.outcome == "ok":
        message = f"{check.message}; {message}, good until {end}"
    else:
        message = f"{check.message}: {message}, good from {begin} to {end}; this machine's clock says {_now()}"
    return attrs.evolve(check, message=message, figures=figures)


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
