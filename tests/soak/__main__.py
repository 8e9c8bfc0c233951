"""``python -m tests.soak --minutes N [--seed N] [--json]``."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import warnings
from typing import Any, Dict, List, Optional

from tests.soak import table
from tests.soak.course import Course


def main(arguments: Optional[List[str]] = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak",
        description="All local venues and clients of every kind beside faults, floods and forks. Prints a table. Exit code 1 "
        "where a promise was broken. Ctrl-C ends it early, with the table so far.",
    )
    parser.add_argument("--minutes", type=float, default=3.0, metavar="N", help="how long (default 3)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="which faults, in which order (default 1)")
    parser.add_argument("--json", action="store_true", help="one JSON document a line: progress, then the table")
    wanted = parser.parse_args(arguments)
    if not 0 < wanted.minutes < float("inf"):
        parser.error("--minutes must be a positive number")
    warnings.filterwarnings("ignore", message=".*fork.*", category=DeprecationWarning)  # of Python 3.12, about threads
    logging.getLogger("dbxsdk").addHandler(logging.NullHandler())  # thousands of warnings, all of which are events, too
    logging.getLogger("dbxsdk").propagate = False

    def say(told: Dict[str, Any]) -> None:
        line = json.dumps(told) if wanted.json else table.progress(told)
        print(line, file=sys.stdout if wanted.json else sys.stderr, flush=True)

    course = Course(wanted.minutes * 60, wanted.seed, say)
    course.run()
    told = course.table()
    print(json.dumps(told) if wanted.json else table.text(told))
    return 1 if told["violations"] else 0


if __name__ == "__main__":
    sys.exit(main())
