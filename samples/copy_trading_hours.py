"""Keeps one of DBot's copy trading tasks enabled from one time of day (UTC) to another, and disabled else, until Ctrl-C.

    export DBOT_API_KEY=...
    python samples/copy_trading_hours.py TASK_ID --start 08:00 --end 16:30
    python samples/copy_trading_hours.py --local --start 00:00 --end 23:59 --once    # pip install "dbxsdk[sim]"
"""

import argparse
import contextlib
import os
import sys
import threading
from datetime import datetime, time, timezone
from typing import Optional

import dbxsdk


def keep(client: dbxsdk.DBotTradeClient, task_id: str, start: time, end: time, known: Optional[bool]) -> Optional[bool]:
    """Switches the task where it is not as it should be; None where nobody knows how it is."""
    now = datetime.now(timezone.utc).time()
    wanted = start <= now < end if start <= end else not end <= now < start
    if wanted is known:
        return known
    try:
        client.update_follow_order(task_id, enabled=wanted)
    except dbxsdk.VenueError:
        raise  # it said no, and would again
    except dbxsdk.DbxError as error:
        # Not sent, or no answer. To switch it twice does no harm, so the next round simply does it again.
        print(f"again in a minute: {error}", file=sys.stderr)
        return None
    print(f"{now:%H:%M:%S} {task_id} is {'enabled' if wanted else 'disabled'}", flush=True)
    return wanted


parser = argparse.ArgumentParser(description="Keeps a copy trading task enabled during some hours of the day.")
parser.add_argument("task_id", nargs="?", help="may be left out with --local")
parser.add_argument("--start", type=time.fromisoformat, required=True, help="HH:MM, UTC")
parser.add_argument("--end", type=time.fromisoformat, required=True, help="HH:MM, UTC")
parser.add_argument("--once", action="store_true", help="look once, for cron")
parser.add_argument("--local", action="store_true", help="use a local venue")
arguments = parser.parse_args()
with contextlib.ExitStack() as stack, contextlib.suppress(KeyboardInterrupt):
    try:
        if arguments.local:
            from dbxsdk.sim import DBotVenue

            venue = stack.enter_context(DBotVenue())
            client, task_id = venue.client("trade"), arguments.task_id or venue.add_follow_order(enabled=False)
        else:
            client, task_id = dbxsdk.DBotTradeClient(os.environ["DBOT_API_KEY"]), arguments.task_id or ""
        stack.callback(client.close)
        state = keep(client, task_id, arguments.start, arguments.end, None)
        while not arguments.once and not threading.Event().wait(60):
            state = keep(client, task_id, arguments.start, arguments.end, state)
    except (dbxsdk.DbxError, ValueError, KeyError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
