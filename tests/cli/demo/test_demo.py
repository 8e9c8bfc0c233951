"""The demo as people run it: the real command in a process of its own."""

from __future__ import annotations

import json
import signal
import time

import pytest

from tests.cli import command
from tests.cli.command import in_terminal

FEW = "1.5"
BRIEF = "0.2"


def documents(out):
    return [json.loads(line) for line in out.splitlines()]


def last(out):
    """The last document; the first line may be the rest of one that was read ahead."""
    return json.loads(out.splitlines()[-1])


@pytest.mark.timeout(120)  # six runs
def test_what_it_shows(tmp_path):
    """One beside the other, for a run waits for most of its time; but a few at once, for the waits are for something."""
    without_rich = command.without("rich", tmp_path)
    processes = [command.start("demo", "--seconds", "3", "--json")]
    try:
        live_screen_on_a_terminal()
        processes.append(command.start("demo", "--seconds", FEW))
        processes.append(command.start("demo", "--seconds", BRIEF, "--json", env=without_rich))
        a_terminal_that_cannot_draw_gets_plain_lines()
        rich_is_needed_on_a_terminal(without_rich)
        story, plain, bare = map(command.ended, processes)
    finally:
        for process in processes:
            process.kill()  # does nothing to one that has ended
    json_lines_tell_the_whole_story(story)
    plain_lines_where_the_output_is_no_terminal(plain)
    assert bare.returncode == 0, "rich is needed on a terminal alone"


def json_lines_tell_the_whole_story(done):
    assert done.stderr == ""
    told = documents(done.stdout)
    assert done.returncode == 0
    assert told[0]["type"] == "start" and told[-1]["type"] == "summary"
    connections = {each["connection"] for each in told[0]["connections"]}
    assert connections == {"digifinex", "bybit public", "bybit private", "bybit trade", "cryptomus", "dbot"}
    assert all(each["url"].startswith("ws://127.0.0.1:") for each in told[0]["connections"])

    last = {each["connection"]: each for each in told if each["type"] == "standing"}
    assert set(last) == connections
    for connection, standing in last.items():
        assert standing["state"] == "ready" and standing["round_trip_ms"] > 0
        if connection in ("digifinex", "bybit public", "cryptomus"):
            assert float(standing["bid"]) < float(standing["ask"]) and standing["delivered"] > 0
    assert last["bybit trade"]["orders"] >= last["bybit trade"]["accepted"] > 0
    assert last["bybit private"]["delivered"] >= last["bybit trade"]["orders"]
    assert last["dbot"]["delivered"] >= last["dbot"]["accepted"] > 0

    events = [each for each in told if each["type"] == "event"]
    pulled = [each["connection"] for each in events if each["event"] == "Pulled"]
    assert pulled == ["digifinex", "bybit trade", "cryptomus", "dbot"]
    for connection in connections:
        order = [each["event"] for each in events if each["connection"] == connection]
        if connection not in pulled:
            assert order == ["Connected"]
        elif connection == "bybit trade":
            assert order[:3] == ["Connected", "Pulled", "Disconnected"]
            assert sorted(order[3:]) == ["Connected", "OutcomeAsked", "Recovered"]
            assert order.index("Recovered") > 3  # the venue is asked by another way, which may be quicker
        else:
            # DBot's, too, may be pulled amid an order; trades that were missed are fetched while the rest recovers.
            order = [each for each in order if each not in ("OutcomeAsked", "Filled")]
            # As many as topics that flow again at different moments.
            order = [each for number, each in enumerate(order) if each != "Gap" or order[number - 1] != "Gap"]
            assert order[:6] == ["Connected", "Pulled", "Disconnected", "Connected", "Gap", "Recovered"]

    # The order during which its connection was pulled: carried out, as the venue says, and not sent again.
    asked = next(each for each in events if each["event"] == "OutcomeAsked")
    assert asked["order"].startswith("demo-") and asked["carried_out"] and asked["status"] == "Filled"

    summary = told[-1]
    assert summary["ok"] and not summary["interrupted"]
    assert summary["lost"] == 0 and set(summary["losses"].values()) == {0}
    assert summary["pulled"] == summary["recovered"] == 4
    assert 0 < summary["offline_seconds"] < 60
    assert summary["received"] > summary["delivered"] > 50
    assert summary["checked"]["trades"] > 20 and summary["checked"]["books"] >= 6 and summary["checked"]["fills"] > 2
    assert summary["requests"] == summary["answered"] + summary["cut_off"] and summary["failed"] == 0
    assert summary["orders"] == summary["accepted"] + summary["asked"] and summary["unknown"] == 0
    assert summary["asked"] >= summary["carried_out"] >= 1


def plain_lines_where_the_output_is_no_terminal(done):
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout and done.stdout.isascii()
    for words in (
        "digifinex: the demo pulls the connection\n",
        "digifinex: disconnected, next try in",
        "digifinex: gap of ",
        "digifinex: recovered: all flows",
        "bybit trade: the demo pulls the connection amid an order",
        "not resent; the venue: Filled",
        "lost        0; compared: trades ",
        "recovered   4 of 4 connections, ",
        ", 0 unknown",
        "Nothing was lost, and all was recovered.",
    ):
        assert words in done.stdout
    assert max(map(len, done.stdout.partition("\n\n")[2].splitlines())) < 80, "the summary fits a small terminal"


def live_screen_on_a_terminal():
    screen = in_terminal(command.environment(TERM="xterm-256color"), "demo", "--seconds", FEW)
    assert screen.count("\x1b[2K") > 20  # lines drawn over, again and again
    for words in ("bid / ask", "round trip", "events", "bybit private", "the demo pulls the connection", "Nothing was lost"):
        assert words in screen
    # Nothing is cut off: a screen that were too high would end in dots.
    assert "\n..." not in screen.replace("\r", "")


def a_terminal_that_cannot_draw_gets_plain_lines():
    screen = in_terminal(command.environment(TERM="dumb"), "demo", "--seconds", BRIEF)
    assert "\x1b" not in screen and "Nothing was lost" in screen


def rich_is_needed_on_a_terminal(env):
    said = in_terminal({**env, "TERM": "xterm"}, "demo", "--seconds", "1", code=1)
    assert 'pip install "dbxsdk[demo]"' in " ".join(said.split()) and "Traceback" not in said


def test_ctrl_c_ends_it_with_the_summary():
    with command.start("demo", "--seconds", "60", "--json") as process:
        for line in process.stdout:
            if json.loads(line)["type"] == "standing":
                break
        pressed = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        took = time.monotonic() - pressed
    assert (process.returncode, err) == (0, "")
    summary = last(out)
    assert summary["type"] == "summary" and summary["interrupted"] and summary["lost"] == 0
    assert summary["pulled"] == 0
    assert took < 3


def test_ctrl_c_in_the_middle_of_a_recovery():
    with command.start("demo", "--seconds", FEW, "--json") as process:
        for line in process.stdout:
            if json.loads(line).get("event") == "Pulled":
                break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")
    assert last(out)["lost"] == 0


def test_a_reader_that_goes_away_ends_it_quietly():
    with command.start("demo", "--seconds", "60") as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=20) == 141
        assert process.stderr.read() == ""


def test_without_websockets(tmp_path):
    done = command.run("demo", "--json", env=command.without("websockets", tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert 'pip install "dbxsdk[demo]"' in done.stderr and done.stderr.count("\n") == 1
