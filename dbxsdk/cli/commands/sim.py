"""``dbxsdk sim``: serves local venues, to try programs without a network."""

from __future__ import annotations

import argparse
import contextlib
import threading
from typing import Any, Dict, List

from dbxsdk.cli.arguments import add_json, seconds, whole
from dbxsdk.cli.rendering import to_line
from dbxsdk.cli.targets import EXIT_CODES, local_classes
from dbxsdk.cli.venues import VENUES
from dbxsdk.cli.words import Word

HELP = "local venues, served until Ctrl-C"

DESCRIPTION = """\
Serves local venues on 127.0.0.1 until Ctrl-C: the venue's documented protocol, a small market of its own and one account.
Prints the addresses, what is traded, and the keys that the venue takes, as lines for a shell; they are random
each time and good for nothing else.
"""

EPILOG = f"""\
with --json, one line a venue: {{"venue", "urls": {{word: address}}, "symbols": {{word: [...]}}, "keys": {{variable: value}}}};
for Cryptomus also "token_url".

{EXIT_CODES}"""


def add_arguments(parser: Any) -> None:
    parser.add_argument("venue", choices=(*VENUES, "all"), metavar="VENUE", help=f"{', '.join(VENUES)} or all")
    parser.add_argument(
        "--port", type=whole(1, 65532), metavar="N", help="default: a free one; with all: the first of four in a row"
    )
    parser.add_argument("--rate", type=whole(1, 1000), default=20, metavar="N", help="market steps a second (default 20)")
    parser.add_argument("--seconds", type=seconds, metavar="N", help="end after so many seconds")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    classes = local_classes()
    names = list(VENUES) if arguments.venue == "all" else [arguments.venue]
    with contextlib.ExitStack() as stack:
        for number, name in enumerate(names):
            port = 0 if arguments.port is None else arguments.port + number
            venue = stack.enter_context(classes[name](port=port, rate=arguments.rate))
            document = _describe(name, venue)
            print(to_line(document) if arguments.json else "\n".join(_lines(document)), flush=True)
        if not arguments.json:
            print("serving; Ctrl-C ends it" if arguments.seconds is None else f"serving for {arguments.seconds:g} s", flush=True)
        try:
            threading.Event().wait(arguments.seconds)
        except KeyboardInterrupt:
            if arguments.seconds is not None:
                raise
    return 0


def _describe(name: str, venue: Any) -> Dict[str, Any]:
    tools = VENUES[name]
    sockets = {str(Word(name, socket)): socket for socket in tools.sockets or ("",)}
    document: Dict[str, Any] = {
        "venue": name,
        "urls": {word: venue.url(tools.local_path(socket)) for word, socket in sockets.items()},
        "symbols": {word: symbols for word, socket in sockets.items() if (symbols := tools.local_symbols(socket, venue))},
        "keys": {variable: getattr(venue, attribute) for attribute, variable in tools.variables.items()},
    }
    if tools.has_token_url:
        document["token_url"] = venue.token_url()
    return document


def _lines(document: Dict[str, Any]) -> List[str]:
    lines = [document["venue"]]
    for word, url in document["urls"].items():
        lines.append(f"  {word:14} {url}")
        symbols = document["symbols"].get(word, [])
        apart = "\n" + " " * 17 if any(len(symbol) > 40 for symbol in symbols) else " "
        lines += [f"  {'':14} {apart.join(symbols)}"] if symbols else []
    if "token_url" in document:
        lines.append(f"  {'--token-url':14} {document['token_url']}")
    lines += [f"  export {variable}={value}" for variable, value in document["keys"].items()]
    return lines
