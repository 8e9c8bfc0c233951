"""``multiprocessing`` with a client held by a module, by each way to start a process; and what may be handed over."""

from __future__ import annotations

import os
import pathlib
import pickle
import sys

import pytest

from dbxsdk import BybitPublicClient, CryptomusClient, DBotTradeClient, DigiFinexClient
from dbxsdk.sim import DigiFinexVenue
from tests.processes.hosted import Hosted, hosting, told

METHODS = ["fork", "spawn", "forkserver"] if hasattr(os, "fork") else ["spawn"]

# A program with a client at module level, as people write it; it is imported by children that are not forked from it.
PROGRAM = """
import json, multiprocessing, os, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 tells of forks with threads
import dbxsdk
from tests.processes import feed

def work(queue):
    try:
        queue.put({**feed.lazily(), "threads": True})
        feed.client.close()
    except BaseException as error:
        queue.put(repr(error))

def update(queue):
    with feed.client.messages("trades", "BTC_USDT") as messages:
        queue.put(next(each for each in messages if not isinstance(each, dbxsdk.Gap)))

def fail(number):
    raise dbxsdk.VenueError("no", code=number, reply={"code": number})

def main(method):
    context = multiprocessing.get_context(method)
    parents = feed.lazily()
    queue = context.Queue()
    children = [context.Process(target=work, args=(queue,)) for _ in range(2)]
    for child in children:
        child.start()
    answers = [queue.get(timeout=15) for _ in children]
    for child in children:
        child.join(15)
    sender = context.Process(target=update, args=(queue,))
    sender.start()
    got = queue.get(timeout=15)
    sender.join(15)
    with context.Pool(1) as pool:  # an error of ours comes back whole
        try:
            pool.apply_async(fail, (7,)).get(15)
        except dbxsdk.VenueError as error:
            failure = [str(error), error.code, error.reply]
    after = feed.live()
    good = all(answer["time"] and answer["updates"] for answer in [parents, after, *answers])
    print(json.dumps({
        "good": good,
        "pids": len({parents["pid"], *(answer["pid"] for answer in answers)}),
        "exits": [child.exitcode for child in [*children, sender]],
        "update": [type(got).__name__, got.symbol, len(got.data) > 0],
        "failure": failure,
        "reconnects": feed.client.stats().reconnects,
    }))
    feed.client.close()

if __name__ == "__main__":
    main(sys.argv[1])
"""


def test_each_way_to_start_a_process(tmp_path: pathlib.Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    with DigiFinexVenue(rate=25, symbols=["BTC_USDT"]) as venue:
        running = [Hosted(sys.executable, str(program), method, VENUE_URL=venue.url()) for method in METHODS]
        with hosting(*running):
            for each in running:
                assert each.finished() == 0
                assert told(each.output) == {
                    "good": True,
                    "pids": 3,
                    "exits": [0, 0, 0],
                    "update": ["Update", "BTC_USDT", True],
                    "failure": ["no (code 7)", 7, {"code": 7}],
                    "reconnects": 0,
                }
        assert venue.wait_until(lambda: venue.connections == 0)


@pytest.mark.parametrize(
    "client",
    [
        BybitPublicClient("spot"),
        CryptomusClient("user", "key-of-the-user"),
        DBotTradeClient("key-of-the-user"),
        DigiFinexClient(),
    ],
    ids=lambda client: type(client).__name__,
)
def test_a_client_cannot_be_pickled_and_says_why(client: object) -> None:
    with pytest.raises(TypeError, match=f"{type(client).__name__} cannot be pickled: make one in each process") as raised:
        pickle.dumps(client)
    assert "key-of-the-user" not in str(raised.value)
