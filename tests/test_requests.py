"""Many requests at once on one client: each is answered once, with its own answer, in whatever order."""

from __future__ import annotations

import collections
import json
import random
import zlib
from typing import Any, List

import pytest

from dbxsdk import DigiFinexClient, Options, VenueError
from dbxsdk.sim import CryptomusVenue, DigiFinexVenue
from tests.waiting import Background, Recorder, eventually

THREADS, EACH = 10, 200


class EchoVenue(DigiFinexVenue):
    """Gives each ``server.echo`` back what it sent, so that a mixed-up answer shows."""

    def _carry_out(self, connection: Any, method: str, params: List[Any]) -> Any:
        return (params, []) if method == "server.echo" else super()._carry_out(connection, method, params)


@pytest.mark.parametrize("compress", [True, False])
def test_two_thousand_requests_from_ten_threads(compress: bool) -> None:
    updates = Recorder()
    with EchoVenue(rate=100, symbols=["BTC_USDT"], compress_replies=compress) as venue:
        with venue.client(options=Options(request_timeout=20)) as client:
            # In the middle of a stream of updates.
            client.subscribe("trades", "BTC_USDT", callback=updates)
            client.subscribe("depth", "BTC_USDT", callback=updates)

            def work(thread: int) -> List[str]:
                wrong = []
                for number in range(EACH):
                    mine = [f"{thread}:{number}"]
                    if number % 50 == 49:
                        try:
                            client.call("server.refuse", mine)
                            wrong.append(f"{mine} was not refused")
                        except VenueError as error:
                            if error.code != 4:
                                wrong.append(str(error))
                    elif number % 2:
                        answer = client.submit("server.echo", mine).result(20)
                        wrong += [] if answer == mine else [f"{mine} got {answer}"]
                    else:
                        answer = client.call("server.echo", mine)
                        wrong += [] if answer == mine else [f"{mine} got {answer}"]
                return wrong

            working = [Background(work, thread) for thread in range(THREADS)]
            assert [wrong for each in working for wrong in each.result(50.0)] == []
            assert client.stats().pending == 0
            assert client.stats().bad_frames == 0, "no answer came twice, or for nobody"
            assert client.stats().reconnects == 0
        requests = [r.document for r in venue.requests if r.document["method"] in ("server.echo", "server.refuse")]
    assert len(requests) == THREADS * EACH
    assert len({request["id"] for request in requests}) == THREADS * EACH
    asked = collections.Counter(request["params"][0] for request in requests)
    assert set(asked.values()) == {1}, "nothing was sent twice"
    assert updates.items


def test_the_frames_of_a_request_as_they_are_on_the_wire() -> None:
    with DigiFinexVenue(rate=0) as venue, DigiFinexClient(url=venue.url()) as client:
        client.call("server.time")
        (request,) = venue.requests
        assert json.loads(request.raw) == {"id": 1, "method": "server.time", "params": []}
        assert isinstance(request.raw, str)
        venue.send_frame(zlib.compress(b'{"id":null,"error":"x","result":null}'))
        eventually(lambda: client.stats().bad_frames == 1)
        assert client.ping() > 0


class Shuffled:
    """A local venue that answers nothing before ``COUNT`` requests have come, and then in any order, each with its id."""

    COUNT = 500

    def _answer(self, connection: Any, document: Any) -> None:
        held = connection.state.setdefault("held", [])
        held.append(document)
        if len(held) == self.COUNT:
            random.Random(1).shuffle(held)
            for answer in held:
                result = "data" if "data" in answer else "result"
                super()._answer(connection, {**answer, result: answer["id"]})  # type: ignore[misc]


class ShuffledDigiFinex(Shuffled, DigiFinexVenue):
    pass


class ShuffledCryptomus(Shuffled, CryptomusVenue):
    pass


@pytest.mark.parametrize("venue_class, method", [(ShuffledDigiFinex, "server.ping"), (ShuffledCryptomus, "ping")])
def test_five_hundred_requests_answered_in_any_order(venue_class: Any, method: str) -> None:
    with venue_class(rate=0) as venue, venue.client(**({"api_key": None} if venue_class is ShuffledDigiFinex else {})) as client:
        futures = [client.submit(method) for _ in range(Shuffled.COUNT)]
        answers = [future.result(10) for future in futures]
        asked = [frame.document["id"] for frame in venue.requests if frame.document["method"] == method]
        assert answers == asked and len(set(asked)) == Shuffled.COUNT
        assert client.stats().pending == 0
