"""``dbxsdk completion``: the words that may come next, and the scripts in the shells that they are for."""

from __future__ import annotations

import io
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Callable, List

import argcomplete
import pytest

from dbxsdk.cli.main import COMMANDS, main
from dbxsdk.cli.venues import ALL_WORDS
from tests.cli import command

NAMES = sorted(each.__name__.rpartition(".")[2] for each in COMMANDS)
VENUES = sorted([*ALL_WORDS, "bybit", "dbot"])


class Finder(argcomplete.CompletionFinder):
    """Argcomplete's own, without the descriptors by which it talks to a shell."""

    def _init_debug_stream(self) -> None:
        pass


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], List[str]]:
    def ask(line: str) -> List[str]:
        for name, value in (("_ARGCOMPLETE", "1"), ("COMP_LINE", line), ("COMP_POINT", str(len(line)))):
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("_ARGCOMPLETE_COMP_WORDBREAKS", " \t\n")  # a colon is part of a word
        written = io.StringIO()
        monkeypatch.setattr(
            argcomplete,
            "autocomplete",
            lambda parser, **options: Finder()(parser, output_stream=written, exit_method=sys.exit, **options),
        )
        with pytest.raises(SystemExit) as exited:
            main([])
        assert exited.value.code == 0
        return sorted(each.rstrip() for each in written.getvalue().split("\v") if each)

    return ask


@pytest.mark.parametrize("line, expected", [
    ("dbxsdk ", NAMES),
    ("dbxsdk re", ["record", "relay", "replay"]),
    ("dbxsdk  \t re", ["record", "relay", "replay"]),
    ("/opt/venv/bin/dbxsdk re", ["record", "relay", "replay"]),
    ("dbxsdk --", ["--help", "--version"]),
    ("dbxsdk watch ", VENUES),
    ("dbxsdk ping bybit:t", ["bybit:trade"]),
    ("dbxsdk ping bybit ", []),
    ("dbxsdk watch bybit:option orderbook.", ["orderbook.100", "orderbook.25"]),
    ("dbxsdk watch bybit kline.1", ["kline.1", "kline.120", "kline.15"]),
    ("dbxsdk watch bybit l", []),  # those that were retired
    ("dbxsdk watch bybit:private exec", ["execution", "execution.fast"]),
    ("dbxsdk watch bybit:trade ", []),
    ("dbxsdk watch digifinex t", ["ticker", "trades"]),
    ("dbxsdk watch cryptomus --timeout 3 d", ["deal", "depth"]),
    ("dbxsdk watch dbot ", ["tradeResults"]),
    ("dbxsdk watch dbot:data p", ["pairInfo", "pairsInfo"]),
    ("dbxsdk watch nonsense ", []),
    ("dbxsdk watch digifinex trades ", []),  # symbols are the venue's to know
    ("dbxsdk record tests/cli/comm", ["tests/cli/command.py", "tests/cli/commands/"]),
    ("dbxsdk record x.gz cr", ["cryptomus"]),
    ("dbxsdk record x.gz digifinex trades BTC_USDT + cryptomus tr", ["trade"]),
    ("dbxsdk record x.gz digifinex trades BTC_USDT + cryptomus trade BTC_USDT + digi", ["digifinex", "digifinex:swap"]),
    ("dbxsdk watch digifinex:swap depth", ["depth.10", "depth.100", "depth.20"]),
    ("dbxsdk record x.gz nonsense ", []),
    ("dbxsdk record x.gz digifinex trades ", []),
    ("dbxsdk replay --speed max x.gz digifinex al", ["all_ticker"]),
    ("dbxsdk sim ", ["all", "bybit", "cryptomus", "dbot", "digifinex"]),
    ("dbxsdk sim all ", []),
    ("dbxsdk doctor bybit:spot cryp", ["cryptomus"]),
    ("dbxsdk doctor --t", ["--testnet", "--timeout", "--token-url"]),
    ("dbxsdk doctor --testnet --lo", []),  # they exclude each other
    ("dbxsdk doctor --timeout ", []),
    ("dbxsdk doctor --timeout 3 --testnet bybit:s", ["bybit:spot", "bybit:spread"]),
    ("dbxsdk completion ", ["bash", "fish", "zsh"]),
])
def test_what_may_come_next(words, monkeypatch, line, expected):
    monkeypatch.chdir(command.ROOT)
    assert words(line) == expected


def test_wrong_arguments(dbx):
    for arguments in ([], ["tcsh"], ["bash", "dbxsdk ", "more"]):
        done = dbx("completion", *arguments)
        assert (done.code, done.out) == (2, "")


def test_without_argcomplete(tmp_path):
    done = command.run("completion", "bash", env=command.without("argcomplete", tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert 'pip install "dbxsdk[cli]"' in done.stderr and done.stderr.count("\n") == 1


# -- in the shells ---------------------------------------------------------------------------------------------------


@pytest.fixture
def in_shell(tmp_path: Path) -> Callable[..., List[str]]:
    """Runs a script in the shell, where ``dbxsdk`` is this tree's; what it printed, by lines."""
    program = tmp_path / "bin" / "dbxsdk"
    program.parent.mkdir()
    (tmp_path / "a file").touch()
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m dbxsdk "$@"\n')
    program.chmod(0o755)

    def run(shell: List[str], script: str) -> List[str]:
        if shutil.which(shell[0]) is None:
            pytest.skip(f"{shell[0]} is not installed")
        env = command.environment(HOME=str(tmp_path), XDG_CONFIG_HOME=str(tmp_path))
        env["PATH"] = f"{program.parent}:{env['PATH']}"
        done = subprocess.run([*shell, "-c", script], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=50)
        assert (done.returncode, done.stderr) == (0, ""), done
        return done.stdout.splitlines()

    return run


# Bash splits words at the colon, too.
BASH = """
eval "$(dbxsdk completion bash)"
press() {
    COMP_LINE=$1 COMP_POINT=${2:-${#1}} COMP_TYPE=9 COMPREPLY=()
    _python_argcomplete dbxsdk "" ""
    echo "$1> ${COMPREPLY[*]}"
}
press "dbxsdk re"
press "dbxsdk watch bybit:lot" 20
press "dbxsdk record a"
"""


def test_bash(in_shell):
    assert in_shell(["bash", "--norc"], BASH) == [
        "dbxsdk re> record replay relay",
        "dbxsdk watch bybit:lot> linear ",
        "dbxsdk record a> a\\ file ",
    ]


# Outside of an interactive shell zsh has none of its completion's builtins.
ZSH = """
compdef() { echo "compdef $*" }
_describe() { print -r -- "${(P)2}" }
eval "$(dbxsdk completion zsh)"
press() { BUFFER=$1 CURSOR=${#1} words=(dbxsdk); _python_argcomplete }
press "dbxsdk watch bybit:li"
press "dbxsdk re"
"""


def test_zsh(in_shell):
    assert in_shell(["zsh", "-f"], ZSH) == [
        "compdef _python_argcomplete dbxsdk",
        "bybit\\:linear:",
        "record:record what channels send",
        "replay:play a recording",
        "relay:serve channels to many workers by way of Redis",
    ]


FISH = """
dbxsdk completion fish | source
complete -C 'dbxsdk watch bybit:li'
complete -C 'dbxsdk record a'
"""


def test_fish(in_shell):
    found = in_shell(["fish", "--no-config"], FISH)
    assert [line.split("\t")[0].rstrip() for line in found] == ["bybit:linear", "a file"]
