"""Runs every case of an Autobahn fuzzing server: ``python -m tests.autobahn_client URL AGENT``

A server is started, for example, by ``wstest -m fuzzingserver -s fuzzingserver.json`` (of the test suite
``autobahntestsuite``, with Python 2.7), with this in ``fuzzingserver.json``::

    {"url": "ws://127.0.0.1:9001", "outdir": "./reports",
     "cases": ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*"]}

12 and 13 are compression, which dbxsdk does not offer. For ``wss://``, add the server's ``key`` and ``cert`` there
and name the certificate in the environment's ``SSL_CERT_FILE``.

Prints a line a case, then a table; the server writes its report into ``outdir``, which also tells how the closing
handshakes went. Exit code: 0 when no case FAILED or was left unfinished, 1 when one was, 2 when the server cannot be
used.
"""

from __future__ import annotations

import argparse
import collections
import sys
from typing import Dict, List, Optional

from tests.autobahn_client.fuzzing_server import UNFINISHED, FuzzingServer, NoAnswer, Result

BEHAVIORS = ("OK", "INFORMATIONAL", "NON-STRICT", "UNIMPLEMENTED", "FAILED", UNFINISHED)


def main(arguments: Optional[List[str]] = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.autobahn_client",
        description="Runs every case of an Autobahn fuzzing server through dbxsdk's transport.",
    )
    parser.add_argument("url", metavar="URL", help="of the fuzzing server, ws://127.0.0.1:9001")
    parser.add_argument("agent", metavar="AGENT", help="what the report calls this client")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds for one case (default: 120)")
    given = parser.parse_args(arguments)
    results: List[Result] = []
    try:
        server = FuzzingServer(given.url, given.agent, given.timeout)
        count = server.case_count()
        for number in range(1, count + 1):
            result = server.run_case(number)
            results.append(result)
            told = "" if result.behavior == "OK" else f"  {result.ending}"
            print(
                f"{number:4}/{count}  {result.case:8}  {result.behavior:13} {result.seconds * 1000:8.0f} ms{told}",
                flush=True,
            )
        server.update_reports()
    except (NoAnswer, ValueError) as error:
        print(f"{given.url}: {error}", file=sys.stderr)
        return 2
    if not results:
        print(f"{given.url}: the server has no cases", file=sys.stderr)
        return 2
    print_table(results)
    return 0 if all(result.good for result in results) else 1


def print_table(results: List[Result]) -> None:
    """How many cases of each section ended in which way."""
    sections: Dict[str, collections.Counter[str]] = {}
    for result in results:
        counts = sections.setdefault(result.case.partition(".")[0], collections.Counter())
        counts[result.behavior] += 1
    total = sum(sections.values(), collections.Counter())
    behaviors = [behavior for behavior in (*BEHAVIORS, *sorted(set(total) - set(BEHAVIORS))) if total[behavior]]
    print()
    print("  ".join(["section", *behaviors]))
    for section, counts in [*sections.items(), ("all", total)]:
        print("  ".join([f"{section:7}", *(f"{counts[behavior]:{len(behavior)}}" for behavior in behaviors)]))


if __name__ == "__main__":
    sys.exit(main())
