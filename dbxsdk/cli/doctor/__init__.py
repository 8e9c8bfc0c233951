"""``dbxsdk doctor``: checks the way from this machine to the venues, step by step, and says what to do about faults."""

from __future__ import annotations

import argparse
import collections
import contextlib
import getpass
import os
import queue
import sys
import threading
from typing import Any, Counter, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple
from urllib.parse import quote, unquote, urlsplit

import attrs

from dbxsdk.cleaning import clean
from dbxsdk.cli.arguments import add_json
from dbxsdk.cli.doctor.checks import OUTCOMES, Check, skipped
from dbxsdk.cli.doctor.keys import examine_keys, some_are_set, variables
from dbxsdk.cli.doctor.machine import examine_machine
from dbxsdk.cli.doctor.venue import Examination
from dbxsdk.cli.errors import WrongArguments
from dbxsdk.cli.rendering import to_line
from dbxsdk.cli.targets import PAPER, VENUES_HELP, Venues, add_connection
from dbxsdk.cli.venues import ALL_WORDS, VENUES, word
from dbxsdk.cli.words import Word
from dbxsdk.client import Client
from dbxsdk.options import Options

HELP = "check the way from here to the venues"

DESCRIPTION = f"""\
Examines this machine, and each VENUE's socket from the proxy to the clock: is the name found, does the connection stand,
is the certificate trusted, does the venue take the key and answer, is this machine's clock right? One line a check, with
what to do if it failed. Without VENUE: all sockets that need no key, and those whose keys are in the environment.

Nothing is ordered and nothing subscribed. Each socket is connected twice: once step by step, once by its client.

{VENUES_HELP}"""

EPILOG = """\
with --json, each line is one document: {"type": "check", "venue" (null: this machine), "check", "outcome" (ok, warning,
failed, skipped), "message", "cause" (one word), "advice", "figures": {...}}; at the end {"type": "summary", "ok", "warning",
"failed", "skipped"}.

exit codes: 0 nothing failed; 1 something did; 2 wrong arguments; 130 Ctrl-C before it was done. Keys, tokens and passwords
are never printed.

The password of --proxy's user is read from DBXSDK_PROXY_PASSWORD, or asked for on a terminal: other users of the machine see
one that stands in the URL, in the list of processes.
"""

_PASSWORD = "DBXSDK_PROXY_PASSWORD"

_SHORTEST_HIDDEN = 4


def add_arguments(parser: Any) -> None:
    parser.add_argument("venues", nargs="*", default=[], metavar="VENUE", help="optional: see above")
    add_connection(parser)
    parser.add_argument(
        "--proxy", type=_proxy, metavar="URL", help='http://[user@]host:port in place of the environment\'s; "": none'
    )
    add_json(parser)
    parser.set_defaults(rest="venues")


def run(arguments: argparse.Namespace) -> int:
    words = _words(arguments)
    if arguments.local and arguments.proxy is not None:
        raise WrongArguments("argument --proxy: a local venue needs none")
    if arguments.proxy:
        arguments.proxy = _with_password(arguments.proxy)
    show = _Display(arguments.json, _secrets(arguments))
    examined = {which: _keys(which, arguments.local) for which in words}
    with _Clients(arguments, words, {which: keys for which, (_, keys) in examined.items()}) as clients:
        made = {which: clients.client(which) for which in words}  # checks the arguments, before any I/O
        for check in examine_machine():
            show(check)
        for patient in [_Patient(which, made[which], arguments, *examined[which]) for which in words]:
            for check in patient.checks():
                show(check)
    return show.end()


def _keys(which: Word, local: bool) -> Tuple[Optional[Check], Dict[str, str]]:
    """Return what ``examine_keys`` says; a local venue's own keys are good."""
    if local and variables(which):
        return skipped("key", "a local venue makes its own"), {argument: "" for argument in variables(which)}
    return examine_keys(which)


def _words(arguments: argparse.Namespace) -> List[Word]:
    try:
        named = [word(text) for text in arguments.venues]
    except argparse.ArgumentTypeError as error:
        raise WrongArguments(f"argument VENUE: {error}") from None
    if named:
        return list(dict.fromkeys(named))
    if arguments.url is not None:
        raise WrongArguments("argument --url: name the VENUE whose protocol is spoken there")
    every = [word(text) for text in ALL_WORDS]
    if arguments.testnet:
        every = [which for which in every if VENUES[which.venue].has_testnet]
    if arguments.demo:
        every = list(PAPER)
    if arguments.local or arguments.demo:
        return every
    return [which for which in every if not variables(which) or VENUES[which.venue].keys_are_optional or some_are_set(which)]


def _proxy(text: str) -> str:
    try:
        Options(proxy=text)
    except ValueError as error:  # without the text, which may hold a password
        raise argparse.ArgumentTypeError(str(error).partition("proxy ")[2]) from None
    return text


def _with_password(proxy: str) -> str:
    """Return the proxy's URL with the password of its user, which does not stand in the list of processes."""
    parts = urlsplit(proxy)
    if parts.password is not None:
        print(f"dbxsdk: the list of processes shows the proxy's password; set {_PASSWORD} instead", file=sys.stderr)
    if parts.username is None or parts.password is not None:
        return proxy
    password = os.environ.get(_PASSWORD)
    if password is None and sys.stdin is not None and sys.stdin.isatty():
        password = getpass.getpass("password of the proxy's user: ")
    user, _, host = parts.netloc.rpartition("@")
    return proxy if password is None else f"{parts.scheme}://{user}:{quote(password, safe='')}@{host}"


class _Clients(Venues):
    """The command line's clients, with a stand-in for each bad key: all but the login can be examined."""

    def __init__(self, arguments: argparse.Namespace, words: Sequence[Word], good: Mapping[Word, Dict[str, str]]) -> None:
        self._good = good
        super().__init__(arguments, words)

    def _keys_of(self, which: Word) -> Mapping[str, str]:
        stand_ins = {} if VENUES[which.venue].keys_are_optional else dict.fromkeys(variables(which), "none")
        return {**stand_ins, **self._good.get(which, {})}


class _Patient:
    """A socket that is examined on a thread of its own, beside others; its checks are reported in their order."""

    def __init__(
        self, which: Word, client: Client, arguments: argparse.Namespace, key: Optional[Check], keys: Dict[str, str]
    ) -> None:
        self._which = which
        self._checks: "queue.SimpleQueue[Optional[Check]]" = queue.SimpleQueue()
        if key is not None:
            self._checks.put(key)
        self._examination = Examination(
            which,
            client,
            proxy=arguments.proxy,
            timeout=arguments.timeout,
            has_keys=bool(keys),
            needs_keys=bool(variables(which)) and not VENUES[which.venue].keys_are_optional,
            report=self._checks.put,
        )
        # A daemon: Ctrl-C does not wait for a name look-up.
        self._thread = threading.Thread(target=self._run, name=f"dbxsdk-doctor-{which}", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # the machine's checks say what to do
            self._checks.put(skipped("connection", "without threads no client can work"))
            self._checks.put(None)

    def _run(self) -> None:
        try:
            self._examination.run()
        finally:
            self._checks.put(None)

    def checks(self) -> Iterator[Check]:
        while True:
            check = self._checks.get()
            if check is None:
                if self._thread.ident is not None:
                    self._thread.join()  # that was its last check
                return
            yield attrs.evolve(check, venue=str(self._which))


class _Display:
    """Prints checks as they come, and counts them."""

    def __init__(self, as_json: bool, secrets: Sequence[str]) -> None:
        self._as_json = as_json
        self._secrets = secrets
        self._counts: Counter[str] = collections.Counter()

    def __call__(self, check: Check) -> None:
        self._counts[check.outcome] += 1
        message, advice = clean(self._hide(check.message)), clean(self._hide(check.advice))  # peers' words may be in them
        if self._as_json:
            document = {"type": "check", "venue": check.venue or None, "check": check.name, "outcome": check.outcome}
            print(to_line({**document, "message": message, "cause": check.cause or None, "advice": advice or None,
                           "figures": self._hide(check.figures)}), flush=True)
        else:
            more = f". {advice}" if advice else ""
            line = f"{check.venue or 'this machine':14} {check.outcome:7}  {check.name:11}  {message}{more}"
            print(line, flush=True)

    def end(self) -> int:
        counts = {outcome: self._counts[outcome] for outcome in OUTCOMES}
        if self._as_json:
            print(to_line({"type": "summary", **counts}), flush=True)
        else:
            print(", ".join(f"{count} {outcome}" for outcome, count in counts.items()), flush=True)
        return 1 if counts["failed"] else 0

    def _hide(self, value: Any) -> Any:
        """Replace secrets: a venue, or a proxy, may repeat in its words what it was sent."""
        if isinstance(value, str):
            for secret in self._secrets:
                value = value.replace(secret, "***")
        elif isinstance(value, dict):
            return {name: self._hide(each) for name, each in value.items()}
        elif isinstance(value, (list, tuple)):
            return [self._hide(each) for each in value]
        return value


def _secrets(arguments: argparse.Namespace) -> List[str]:
    """Return the texts that must not be printed: keys, queries of addresses, users and passwords of proxies; longest first."""
    found = [os.environ.get(name, "") for venue in VENUES.values() for name in venue.variables.values()]
    urls = [value if "://" in value else f"//{value}" for name, value in os.environ.items() if name.lower().endswith("_proxy")]
    for url in (arguments.url, arguments.token_url, arguments.proxy, *urls):
        with contextlib.suppress(ValueError):
            parts = urlsplit(url or "")
            found += [parts.query, unquote(parts.query), parts.password or "", unquote(parts.password or "")]
    return sorted({each.strip() for each in found if len(each.strip()) >= _SHORTEST_HIDDEN}, key=len, reverse=True)
