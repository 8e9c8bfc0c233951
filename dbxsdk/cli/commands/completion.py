"""``dbxsdk completion``: scripts by which bash, zsh and fish complete the command line, asking the command itself."""

from __future__ import annotations

import argparse
import re
from typing import Any, Dict, Iterable, List, Optional, Sequence

from dbxsdk.bybit.private.channels import CHANNELS as BYBIT_PRIVATE_CHANNELS
from dbxsdk.bybit.public.book import DEPTHS
from dbxsdk.bybit.public.channels import CHANNELS as BYBIT_CHANNELS
from dbxsdk.cli.words import ALL_WORDS, word
from dbxsdk.cryptomus.protocol import CHANNELS as CRYPTOMUS_CHANNELS
from dbxsdk.dbot.data.protocol import KINDS as DBOT_KINDS
from dbxsdk.dbot.trade.protocol import CHANNEL as DBOT_CHANNEL
from dbxsdk.digifinex.protocol import CHANNELS as DIGIFINEX_CHANNELS

DESCRIPTION = """\
Prints a script that completes commands, options, venues and channels. What the shell reads at its start gets one line:

  ~/.bashrc                      eval "$(dbxsdk completion bash)"
  ~/.zshrc, after compinit       eval "$(dbxsdk completion zsh)"
  ~/.config/fish/config.fish     dbxsdk completion fish | source
"""

EPILOG = """\
With LINE, the words that could end that line are printed, one a line: what the scripts ask for.

exit codes: 0 done; 2 wrong arguments.
"""

SCRIPTS = {
    "bash": r"""_dbxsdk() {
    local IFS=$'\n' line=${COMP_LINE:0:COMP_POINT}
    COMPREPLY=($("${1/#\~/$HOME}" completion bash "$line" 2>/dev/null))
    local word=${line##*[[:blank:]]}
    # Bash takes what stands before a colon for a word of its own.
    if [[ $word == *:* && $COMP_WORDBREAKS == *:* ]]; then
        COMPREPLY=("${COMPREPLY[@]#"${word%:*}:"}")
    fi
}
complete -o bashdefault -o default -F _dbxsdk dbxsdk
""",
    "zsh": r"""_dbxsdk() {
    local -a found
    found=(${(f)"$(${~words[1]} completion zsh "${(j: :)words[1,CURRENT-1]} $PREFIX" 2>/dev/null)"})
    if (( $#found )); then compadd -- $found; else _files; fi
}
compdef _dbxsdk dbxsdk
""",
    "fish": r"""function __dbxsdk_complete
    set -l found (dbxsdk completion fish (commandline -cp | string collect) 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c dbxsdk -f -a '(__dbxsdk_complete)'
""",
}

_RETIRED = ("liquidation", "kline_lt", "tickers_lt", "lt")
_INTERVALS = ("1", "3", "5", "15", "30", "60", "120", "240", "360", "720", "D", "W", "M")
"""Of klines, at Bybit: minutes, and a day, week or month."""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "completion",
        help="a script for the shell, which then completes this command line",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("shell", choices=tuple(SCRIPTS), metavar="SHELL", help=", ".join(SCRIPTS))
    parser.add_argument("line", nargs="?", metavar="LINE")
    # The one command that has to know the others: it gets them from the parser that it is part of.
    parser.set_defaults(run=run, parser=parser, commands=subparsers.choices)


def run(arguments: argparse.Namespace) -> int:
    if arguments.line is None:
        print(SCRIPTS[arguments.shell], end="")
    else:
        for each in candidates(arguments.line, arguments.commands):
            print(each)
    return 0


def candidates(line: str, commands: Dict[str, argparse.ArgumentParser]) -> List[str]:
    """The words that could stand at the end of ``line``, begun there or not. Empty where anything may: a file's name, a
    symbol, a number."""
    *before, begun = re.split(r"\s+", line.lstrip())
    return sorted({each for each in _all(before[1:], begun, commands) if each.startswith(begun)}, key=_natural)


def _all(before: Sequence[str], begun: str, commands: Dict[str, argparse.ArgumentParser]) -> Iterable[str]:
    command = next((each for each in before if not each.startswith("-")), None)
    if command is None:
        return ("--help", "--version") if begun.startswith("-") else commands
    if command not in commands:
        return ()
    actions = commands[command]._actions
    options = {name: action for action in actions for name in action.option_strings if name.startswith("--")}
    given: List[str] = []
    awaiting: Optional[argparse.Action] = None
    for each in before[before.index(command) + 1:]:
        if awaiting is not None:
            awaiting = None
        elif each.startswith("-") and each != "-":
            action = options.get(each)
            awaiting = action if action is not None and action.nargs != 0 else None
        else:
            given.append(each)
    if awaiting is not None:
        return map(str, awaiting.choices or ())
    if begun.startswith("-"):
        return (name for name in options if name not in before)
    return _at([action for action in actions if not action.option_strings], given)


def _at(positionals: Sequence[argparse.Action], given: Sequence[str]) -> Iterable[str]:
    """What may come after the words ``given``. The metavar says what a word is: ``VENUE CHANNEL [SYMBOL ...]``."""
    kinds = [(kind, action) for action in positionals for kind in re.findall("[A-Z]+", str(action.metavar))]
    if "+" in given:  # begins at the first venue again
        first = next((index for index, (kind, _) in enumerate(kinds) if kind == "VENUE"), 0)
        last = len(given) - 1 - given[::-1].index("+")
        given = [*given[:first], *given[last + 1:]]
    if len(given) >= len(kinds) and not (kinds and kinds[-1][1].nargs == "*"):
        return ()
    kind, action = kinds[min(len(given), len(kinds) - 1)]
    if action.choices is not None:
        return map(str, action.choices)
    if kind == "VENUE":
        return [*ALL_WORDS, "bybit", "dbot"]
    return _channels(given[-1]) if kind == "CHANNEL" else ()


def _channels(venue: str) -> Iterable[str]:
    try:
        which = word(venue)
    except argparse.ArgumentTypeError:
        return ()
    if which.venue == "digifinex":
        return DIGIFINEX_CHANNELS
    if which.venue == "cryptomus":
        return CRYPTOMUS_CHANNELS
    if which.venue == "dbot":
        return DBOT_KINDS if which.socket == "data" else (DBOT_CHANNEL,)
    if which.socket in DEPTHS:
        depths = [f"orderbook.{depth}" for depth in DEPTHS[which.socket]]
        klines = [f"kline.{interval}" for interval in _INTERVALS]
        return [*depths, *klines, *(each for each in BYBIT_CHANNELS if each not in ("orderbook", "kline", *_RETIRED))]
    return BYBIT_PRIVATE_CHANNELS if which.socket == "private" else ()


def _natural(text: str) -> List[Any]:
    """``orderbook.50`` before ``orderbook.200``."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.findall(r"\d+|\D+", text)]
