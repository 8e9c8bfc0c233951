"""Helps and messages fit the terminal, without a broken word; ``help``, ``channels``, and Ctrl-C in one line."""

from __future__ import annotations

import io
import re
import sys

import pytest

from dbxsdk.cli import entry
from dbxsdk.cli.main import COMMANDS, main
from dbxsdk.cli.rendering import summary
from dbxsdk.cli.venues import ALL_WORDS
from dbxsdk.cli.wrapping import message, wrap

NAMES = [each.__name__.rpartition(".")[2] for each in COMMANDS]
WIDTHS = (60, 80, 100, 160)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def helped(capsys, *arguments):
    with pytest.raises(SystemExit) as exited:
        main(arguments)
    assert exited.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("name", ["", *NAMES])
def test_a_help_fits_and_breaks_no_word(name, capsys, monkeypatch):
    words = None
    for width in WIDTHS:
        monkeypatch.setenv("COLUMNS", str(width))
        text = helped(capsys, *filter(None, ["help", name]))
        assert max(map(len, text.splitlines())) <= width
        assert text == helped(capsys, *filter(None, [name, "--help"]))
        found = re.sub(r"^usage:.*?\n\n", "", text, flags=re.DOTALL).split()
        assert words in (None, found), "the same words at every width"
        words = found


@pytest.mark.parametrize("name", NAMES)
def test_every_argument_of_a_help_is_explained(name, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    text = helped(capsys, "help", name).replace("\noptional arguments:", "\noptions:")  # Python 3.9 says it so
    lines = text[text.index("\noptions:") if "\npositional" not in text else text.index("\npositional"):].split("\n\n")
    for line in "\n".join(lines[:2]).splitlines():
        if re.match(r"  [A-Z-]\S*.*$", line) and len(line) < 24:
            assert re.search(rf"{re.escape(line)}\n {{10,}}\S", text), f"{name}: {line!r} says nothing"


def test_what_is_optional_says_so(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    for name, argument in (("watch", "SYMBOL"), ("call", "PARAMS"), ("channels", "VENUE"), ("replay", "VENUE CHANNEL")):
        text = helped(capsys, "help", name)
        assert re.search(rf"^  {argument}.*\s+optional", text[text.index("positional"):], re.MULTILINE), name


@pytest.mark.parametrize("text, wrapped", [
    ("one two three four", "one two\nthree\nfour"),
    ("a\nb", "a b"),
    ("a\n\n  b c d e", "a\n\n  b c d\n      e"),
    (" x  y z y z", " x  y z\n    y z"),
    ("unbreakable-and-long x", "unbreakable-and-long\nx"),
])
def test_wrap(text, wrapped):
    assert wrap(text, 8) == wrapped


def test_a_message_is_one_line_but_on_a_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    text = "dbxsdk watch: " + "words " * 20
    assert message(text, io.StringIO()) == text
    lines = message(text, Terminal()).splitlines()
    assert len(lines) > 3 and max(map(len, lines)) <= 30 and " ".join(lines).split() == text.split()


def test_a_wrong_argument_is_said_within_the_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr(sys, "stderr", Terminal())
    with pytest.raises(SystemExit):
        main(["watch", "nowhere", "trades"])
    assert "digifinex:swap" in sys.stderr.getvalue() and max(map(len, sys.stderr.getvalue().splitlines())) <= 60


def test_help_of_a_command_that_there_is_not(dbx):
    done = dbx("help", "nonsense")
    assert done.code == 2 and "nonsense" in done.err


# -- channels ----------------------------------------------------------------------------------------------------------


def test_the_channels_of_a_venue(dbx):
    done = dbx("channels", "bybit:private")
    assert done.code == 0 and {"  wallet", "  order"} <= set(done.out.splitlines())
    everything = dbx("channels", "--json")
    assert [each["venue"] for each in everything.documents] == list(ALL_WORDS)
    assert "trades" in next(each["channels"] for each in everything.documents if each["venue"] == "digifinex")
    assert "orderbook.50" in dbx("channels").out
    done = dbx("channels", "bybit:trade")
    assert done.code == 1 and "no channels" in done.err


# -- Ctrl-C ------------------------------------------------------------------------------------------------------------


def test_ctrl_c_is_one_line(monkeypatch, capsys):
    def interrupt(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("dbxsdk.cli.commands.channels.run", interrupt)
    assert main(["channels"]) == 130
    assert capsys.readouterr() == ("", "dbxsdk channels: interrupted\n")


def test_ctrl_c_while_it_is_imported_is_one_line(monkeypatch, capsys):
    class Interrupts:
        def find_spec(self, name, path=None, target=None):
            if name == "dbxsdk.cli.main":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "dbxsdk.cli.main")
    monkeypatch.setattr(sys, "meta_path", [Interrupts(), *sys.meta_path])
    monkeypatch.setattr(sys, "argv", ["dbxsdk", "watch"])
    assert entry.main() == 130
    assert capsys.readouterr().err == "dbxsdk watch: interrupted\n"


# -- nested values -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value, text", [
    ([{"coin": "BTC", "wallet_balance": "2", "x": "1"}, {"coin": "USDT", "equity": "7"}], "BTC 2, USDT 7"),
    ({"a": "1", "b": None, "c": "", "d": ["x", "y"]}, "a 1 d x, y"),
    ([["1", "2"], ["3", "4"]], "2 levels"),
    ([], ""),
    ([{"id": "7"}], "id 7"),
    (True, "true"),
    ("text", "text"),
])
def test_a_nested_value_in_few_words(value, text):
    assert summary(value) == text


@pytest.mark.parametrize("words, missing", [(["watch"], "VENUE, CHANNEL"), (["call", "bybit"], "METHOD"), (["record"], "PATH")])
def test_what_is_missing_is_named_and_nothing_optional(dbx, words, missing):
    done = dbx(*words)
    assert done.code == 2 and done.err.endswith(f"error: the following arguments are required: {missing}\n")
