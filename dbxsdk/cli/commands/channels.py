"""``dbxsdk channels``: the channels that a venue's socket has, to watch and to record."""

from __future__ import annotations

import argparse
from typing import Any

from dbxsdk.cli.arguments import add_json
from dbxsdk.cli.errors import Failed
from dbxsdk.cli.rendering import to_line
from dbxsdk.cli.targets import WORDS_HELP
from dbxsdk.cli.venues import ALL_WORDS, VENUES, word

HELP = "the channels of a venue"

DESCRIPTION = f"""\
Lists the channels that "dbxsdk watch" and "dbxsdk record" take of a venue, or of all. It asks nobody: these are the documented
ones. "dbxsdk sim VENUE" lists symbols of the local venue; those of the real one are on its site.

  dbxsdk channels bybit:linear
  dbxsdk channels

{WORDS_HELP}"""

EPILOG = """\
with --json, one line a venue: {"venue", "channels": [...]}

exit codes: 0 done; 1 the socket has no channels; 2 wrong arguments.
"""


def add_arguments(parser: Any) -> None:
    parser.add_argument("venue", type=word, nargs="?", metavar="VENUE", help="optional: all venues without it")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    words = [arguments.venue] if arguments.venue is not None else [word(each) for each in ALL_WORDS]
    found = {each: list(VENUES[each.venue].channels(each.socket)) for each in words}
    if arguments.venue is not None and not found[arguments.venue]:
        raise Failed(f'{arguments.venue} has no channels: it is for requests, see "dbxsdk help call"')
    for each, names in found.items():
        if arguments.json:
            print(to_line({"venue": str(each), "channels": names}))
        elif names:
            print("\n".join([str(each), *(f"  {name}" for name in names)]))
    return 0
