"""``python -m tests.benchmarks [--quick] [--json] [ROW ...]``, or ``relay [--quick]``."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from typing import Dict, List, Optional, Sequence

from tests.benchmarks import table
from tests.benchmarks.rows import FULL, QUICK, TINY, Row, rows
from tests.benchmarks.running import Bench, Measurement, Result

SCALES = {"full": FULL, "quick": QUICK, "tiny": TINY}


def main(arguments: Optional[Sequence[str]] = None) -> None:
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["relay"]:  # which needs a redis-server, and processes of its own
        from tests.benchmarks import relay

        return relay.main(given[1:])
    known = rows(FULL)
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description="Measures dbxsdk beside other clients.",
        epilog="rows: " + "; ".join(f"{name} ({row.title})" for name, row in known.items()),
    )
    parser.add_argument("--quick", dest="scale", action="store_const", const="quick", default="full", help="under a minute")
    parser.add_argument(
        "--tiny", dest="scale", action="store_const", const="tiny", help="to see that it works; the figures mean nothing"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document in place of the table")
    parser.add_argument("rows", nargs="*", metavar="ROW", help="only these rows (default: all)")
    wanted = parser.parse_args(arguments)
    unknown = [name for name in wanted.rows if name not in known]
    if unknown:
        parser.error(f"no such row: {', '.join(unknown)}; there are {', '.join(known)}")
    chosen = {name: row for name, row in rows(SCALES[wanted.scale]).items() if not wanted.rows or name in wanted.rows}
    told = table.document(chosen, run(chosen, fresh=wanted.scale != "tiny"), wanted.scale)
    print(json.dumps(told, indent=1) if wanted.json else table.text(told))


def run(chosen: Dict[str, Row], fresh: bool) -> Dict[Measurement, Result]:
    """Row after row. Rows that share a measurement take turns together."""
    results: Dict[Measurement, Result] = {}
    with tempfile.TemporaryDirectory() as directory, Bench(directory, fresh) as bench:
        for names in _together(chosen):
            print(f"{', '.join(names)} ...", file=sys.stderr, flush=True)
            comparisons = [comparison for name in names for comparison in chosen[name].comparisons]
            each_once = dict.fromkeys(side for comparison in comparisons for side in (comparison.ours, comparison.peer))
            results.update(bench.measure(list(each_once), chosen[names[0]].rounds))
    return results


def _together(chosen: Dict[str, Row]) -> List[List[str]]:
    """The rows, those that share a measurement in one list."""
    groups: List[List[str]] = []
    for name, row in chosen.items():
        own = {comparison.peer for comparison in row.comparisons}
        for group in groups:
            if any(comparison.peer in own for other in group for comparison in chosen[other].comparisons):
                group.append(name)
                break
        else:
            groups.append([name])
    return groups


if __name__ == "__main__":
    main()
