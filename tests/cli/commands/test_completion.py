"""``dbxsdk completion``: the words that may come next, and the scripts in the shells that they are for."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, List

import pytest

from dbxsdk.cli.main import COMMANDS
from dbxsdk.cli.words import ALL_WORDS
from tests.cli.command import environment

NAMES = sorted(command.__name__.rpartition(".")[2] for command in COMMANDS)
VENUES = sorted([*ALL_WORDS, "bybit", "dbot"])


@pytest.fixture
def words(dbx: Callable[..., Any]) -> Callable[[str], List[str]]:
    def ask(line: str) -> List[str]:
        done = dbx("completion", "bash", line)
        assert (done.code, done.err) == (0, "")
        return list(done.out.splitlines())

    return ask


@pytest.mark.parametrize("line, expected", [
    ("dbxsdk ", NAMES),
    ("dbxsdk re", ["record", "replay"]),
    ("dbxsdk  \t re", ["record", "replay"]),
    ("/opt/venv/bin/dbxsdk re", ["record", "replay"]),
    ("dbxsdk -", ["--help", "--version"]),
    ("dbxsdk nonsense ", []),
    ("dbxsdk watch ", VENUES),
    ("dbxsdk ping bybit:t", ["bybit:trade"]),
    ("dbxsdk ping bybit ", []),
    ("dbxsdk watch bybit:option orderbook.", ["orderbook.25", "orderbook.100", "orderbook.rpi"]),
    ("dbxsdk watch bybit kline.1", ["kline.1", "kline.15", "kline.120"]),
    ("dbxsdk watch bybit l", []),  # those that were retired
    ("dbxsdk watch bybit:private exec", ["execution", "execution.fast"]),
    ("dbxsdk watch bybit:trade ", []),
    ("dbxsdk watch digifinex t", ["ticker", "trades"]),
    ("dbxsdk watch cryptomus --timeout 3 d", ["deal", "depth"]),
    ("dbxsdk watch dbot ", ["tradeResults"]),
    ("dbxsdk watch dbot:data p", ["pairInfo", "pairsInfo"]),
    ("dbxsdk watch nonsense ", []),
    ("dbxsdk watch digifinex trades ", []),  # symbols are the venue's to know
    ("dbxsdk record ", []),  # a file
    ("dbxsdk record x.gz cr", ["cryptomus"]),
    ("dbxsdk record x.gz digifinex trades BTC_USDT + cryptomus tr", ["trade"]),
    ("dbxsdk record x.gz digifinex trades BTC_USDT + cryptomus trade BTC_USDT + digi", ["digifinex"]),
    ("dbxsdk replay x.gz --speed max digifinex al", ["all_ticker"]),
    ("dbxsdk sim ", ["all", "bybit", "cryptomus", "dbot", "digifinex"]),
    ("dbxsdk sim all ", []),
    ("dbxsdk doctor bybit:spot cryp", ["cryptomus"]),
    ("dbxsdk doctor --t", ["--testnet", "--timeout", "--token-url"]),
    ("dbxsdk doctor --testnet --t", ["--timeout", "--token-url"]),
    ("dbxsdk doctor --timeout ", []),
    ("dbxsdk doctor --timeout 3 --testnet bybit:s", ["bybit:spot"]),
    ("dbxsdk completion ", ["bash", "fish", "zsh"]),
])
def test_what_may_come_next(words, line, expected):
    assert words(line) == expected


def test_wrong_arguments(dbx):
    for arguments in ([], ["tcsh"], ["bash", "dbxsdk ", "more"]):
        done = dbx("completion", *arguments)
        assert (done.code, done.out) == (2, "")


# -- in the shells ---------------------------------------------------------------------------------------------------


@pytest.fixture
def in_shell(tmp_path: Path, dbx: Callable[..., Any]) -> Callable[..., List[str]]:
    """Runs a script in the shell; what it printed, by lines. ``dbxsdk`` is this tree's there: its answers to ``asked`` were
    given beforehand, in this process, since starting it anew for each would take seconds."""
    command, answers = tmp_path / "bin" / "dbxsdk", tmp_path / "known"
    command.parent.mkdir()
    answers.mkdir()
    (tmp_path / "a file").touch()
    command.write_text(
        f'#!/bin/sh\n[ "$1" = completion ] && [ -e "{answers}/$2 $3" ] && exec cat "{answers}/$2 $3"\n'
        f'exec {shlex.quote(sys.executable)} -m dbxsdk "$@"\n'
    )
    command.chmod(0o755)

    def run(shell: List[str], script: str, *asked: str) -> List[str]:
        if shutil.which(shell[0]) is None:
            pytest.skip(f"{shell[0]} is not installed")
        for arguments in [[shell[0]], *([shell[0], line] for line in asked)]:
            (answers / f"{arguments[0]} {' '.join(arguments[1:])}").write_text(dbx("completion", *arguments).out)
        env = environment(HOME=str(tmp_path), XDG_CONFIG_HOME=str(tmp_path))
        env["PATH"] = f"{command.parent}:{env['PATH']}"
        done = subprocess.run([*shell, "-c", script], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=30)
        assert (done.returncode, done.stderr) == (0, ""), done
        return done.stdout.splitlines()

    return run


# Bash splits words at the colon, too.
BASH = """
eval "$(dbxsdk completion bash)"
complete -p dbxsdk
press() {
    COMP_LINE=$1 COMP_POINT=${2:-${#1}} COMPREPLY=()
    _dbxsdk dbxsdk "" ""
    echo "$1> ${COMPREPLY[*]}"
}
press "dbxsdk re"
press "dbxsdk watch bybit:l"
press "dbxsdk watch bybit orderbook.2"
press "dbxsdk watch bybit:lot" 20
press "dbxsdk record "
COMP_WORDBREAKS=${COMP_WORDBREAKS//:}
press "dbxsdk watch bybit:l"
"""


def test_bash(in_shell):
    asked = ("dbxsdk watch bybit:l", "dbxsdk watch bybit orderbook.2", "dbxsdk record ")  # not so "dbxsdk re"
    assert in_shell(["bash", "--norc"], BASH, *asked) == [
        "complete -o bashdefault -o default -F _dbxsdk dbxsdk",
        "dbxsdk re> record replay",
        "dbxsdk watch bybit:l> linear",
        "dbxsdk watch bybit orderbook.2> orderbook.200",
        "dbxsdk watch bybit:lot> linear",
        "dbxsdk record > ",
        "dbxsdk watch bybit:l> bybit:linear",
    ]


# Outside of an interactive shell zsh has none of its completion's builtins.
ZSH = """
compdef() { echo "compdef $*" }
compadd() { echo "compadd $*" }
_files() { echo files }
eval "$(dbxsdk completion zsh)"
words=(dbxsdk watch bybit:li) CURRENT=3 PREFIX=bybit:li; _dbxsdk
words=(dbxsdk record '') CURRENT=3 PREFIX=; _dbxsdk
"""


def test_zsh(in_shell):
    found = in_shell(["zsh", "-f"], ZSH, "dbxsdk watch bybit:li", "dbxsdk record ")
    assert found == ["compdef _dbxsdk dbxsdk", "compadd -- bybit:linear", "files"]


FISH = """
dbxsdk completion fish | source
complete -C 'dbxsdk watch bybit:li'
complete -C 'dbxsdk record a'
"""


def test_fish(in_shell):
    found = in_shell(["fish", "--no-config"], FISH, "dbxsdk watch bybit:li", "dbxsdk record a")
    assert [line.split("\t")[0] for line in found] == ["bybit:linear", "a file"]
