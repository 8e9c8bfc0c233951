"""``dbxsdk call``: one request by the venue's own name, and its answer."""

from __future__ import annotations

import argparse
import json
import sys
from decimal import Decimal
from typing import Any, Dict, List, NoReturn, Tuple

from dbxsdk.cli.arguments import add_json
from dbxsdk.cli.errors import Failed, WrongArguments
from dbxsdk.cli.rendering import plain, to_line
from dbxsdk.cli.targets import EXIT_CODES, VENUES_HELP, Venues, add_connection
from dbxsdk.cli.venues import word
from dbxsdk.errors import OutcomeUnknown

HELP = "one request, by the venue's own name"

DESCRIPTION = f"""\
Sends one request by the venue's own name and prints the venue's result as JSON. It is never sent twice.

  dbxsdk call digifinex server.time
  dbxsdk call dbot followOrders '{{"page": 0, "size": 20}}'
  dbxsdk call bybit:trade order.create --testnet '{{"category": "linear", "symbol": "BTCUSDT", "side": "Buy",
      "orderType": "Limit", "qty": "0.001", "price": "60000", "orderLinkId": "mine-1"}}'

PARAMS is JSON: for digifinex, Cryptomus and Bybit's public and private sockets a list, for digifinex:swap, bybit:trade and
dbot:trade an object. "-" reads it from stdin.

{VENUES_HELP}"""

EPILOG = f"""\
with --json, the result is one line.

If a request was sent and not answered, the message says that it may have been carried out: ask the venue before
you try again.

{EXIT_CODES}"""


def add_arguments(parser: Any) -> None:
    parser.add_argument("venue", type=word, metavar="VENUE", help="see above")
    parser.add_argument("method", metavar="METHOD", help="the venue's own name of the request")
    parser.add_argument("params", nargs="*", default=[], metavar="PARAMS", help="optional: JSON, see above")
    add_connection(parser)
    add_json(parser)
    parser.set_defaults(rest="params")


def run(arguments: argparse.Namespace) -> int:
    if len(arguments.params) > 1:
        raise WrongArguments("argument PARAMS: is one JSON document; quote it for the shell")
    params = None
    if arguments.params:
        params = _read(sys.stdin.read() if arguments.params == ["-"] else arguments.params[0])
    with Venues(arguments, [arguments.venue]) as venues:
        client = venues.client(arguments.venue)
        try:
            result = client.call(arguments.method, params)
        except (TypeError, ValueError) as error:
            raise WrongArguments(str(error)) from None
        except KeyboardInterrupt:
            raise KeyboardInterrupt("the request may have been carried out") from None
        except OutcomeUnknown as error:
            raise Failed(f"outcome unknown (request {error.request_id}): {error}") from None
    print(to_line(plain(result), None if arguments.json else 2), flush=True)
    return 0


def _read(text: str) -> Any:
    try:
        return json.loads(text, parse_float=_exact, parse_constant=_refuse, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise WrongArguments(f"argument PARAMS: not JSON: {error}") from None


def _exact(text: str) -> float:
    """Read a number; refuse one that a float changes: the venue would read another number than the one that was typed."""
    number = float(text)
    if Decimal(repr(number)) != Decimal(text):
        raise ValueError(f"{text} has more digits than a JSON number keeps: write it as a text")
    return number


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _once(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an object names a key twice")
    return found
