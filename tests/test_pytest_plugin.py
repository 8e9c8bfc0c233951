"""The plugin for users' own tests: the guide's example as they would run it, and what it says of a client left open."""

from __future__ import annotations

import importlib.metadata
import sys

from tests.test_guide import blocks

pytest_plugins = ["pytester"]

VENUES = """
    import pytest

    def test_bybit(bybit_venue):
        with bybit_venue.client("spot") as client:
            client.subscribe("tickers", "BTCUSDT", callback=print)

    def test_digifinex(digifinex_venue):
        with digifinex_venue.client() as client:
            assert client.server_time() > 0

    def test_cryptomus(cryptomus_venue):
        with cryptomus_venue.client() as client:
            assert client.markets()

    @pytest.mark.local_venue(rate=0, api_key="mine")
    def test_dbot(dbot_venue):
        assert dbot_venue.api_key == "mine"
        with dbot_venue.client("trade") as client:
            client.ping()
        assert dbot_venue.steps == 0
"""

LEFT_OPEN = """
    left = []

    def test_left_open(digifinex_venue, no_client_left):
        left.append(digifinex_venue.client())
        left[0].open()

    def test_the_next_one(digifinex_venue, no_client_left):
        left[0].close()
        with digifinex_venue.client() as client:
            client.ping()
"""


def run(pytester, text, *arguments):
    pytester.makepyfile(text)
    return pytester.runpytest_inprocess("-p", "no:cacheprovider", "-W", "error", "--strict-markers", *arguments)


def test_the_readmes_example(pytester):
    (example,) = (text for _, text in blocks("local_venues") if "no_client_left)" in text or "no_client_left," in text)
    run(pytester, example).assert_outcomes(passed=2)


def test_a_bot_that_orders_again_fails_the_readmes_example(pytester):
    (example,) = (text for _, text in blocks("local_venues") if "no_client_left)" in text or "no_client_left," in text)
    order = 'self.orders.place_order(category="linear", symbol="BTCUSDT", side="Buy", orderType="Market", qty="0.01")'
    noted = "self.unknown.append(error.order_link_id)\n"
    again = example.replace(noted, f"{noted}            {order}\n")
    assert again != example
    run(pytester, again).assert_outcomes(failed=2)


def test_each_venue(pytester):
    run(pytester, VENUES).assert_outcomes(passed=4)


def test_a_client_left_open_is_told_of(pytester, monkeypatch):
    monkeypatch.setattr("dbxsdk.pytest_plugin._PATIENCE", 0.1)
    result = run(pytester, LEFT_OPEN)
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*a client was not closed; its threads: dbxsdk-digifinex-callbacks, *"])


def test_it_is_found_by_itself_and_loads_no_venue():
    values = [point.value for point in importlib.metadata.distribution("dbxsdk").entry_points if point.group == "pytest11"]
    assert values == ["dbxsdk.pytest_plugin"]
    values = vars(sys.modules["dbxsdk.pytest_plugin"]).values()
    assert not any(str(getattr(value, "__module__", "")).startswith("dbxsdk.sim") for value in values)
