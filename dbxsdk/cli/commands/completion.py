"""``dbxsdk completion``: the script by which a shell completes the command line, asking the command itself."""

from __future__ import annotations

import argparse
import os
from typing import Any, Iterable, List

from dbxsdk.cli.errors import NotInstalled
from dbxsdk.cli.venues import ALL_WORDS, SHORT_WORDS, VENUES, word
from dbxsdk.cli.words import Word

HELP = "a script for the shell, which then completes this command line"

DESCRIPTION = """\
Prints a script that completes commands, options, venues and channels. What the shell reads at its start gets one line:

  ~/.bashrc                      eval "$(dbxsdk completion bash)"
  ~/.zshrc, after compinit       eval "$(dbxsdk completion zsh)"
  ~/.config/fish/config.fish     dbxsdk completion fish | source
"""

EPILOG = """\
exit codes: 0 done; 1 the package argcomplete is not installed; 2 wrong arguments.
"""

SHELLS = ("bash", "zsh", "fish")


def add_arguments(parser: Any) -> None:
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help=", ".join(SHELLS))


def run(arguments: argparse.Namespace) -> int:
    try:
        from argcomplete.shell_integration import shellcode
    except ImportError:
        raise NotInstalled("completion", "cli") from None
    print(shellcode(["dbxsdk"], use_defaults=False, shell=arguments.shell), end="")
    return 0


def answer_shell(parser: argparse.ArgumentParser, commands: Iterable[argparse.ArgumentParser]) -> None:
    """Print the completions and exit, if the shell's script asks for them."""
    if "_ARGCOMPLETE" not in os.environ:
        return
    import argcomplete
    from argcomplete.completers import FilesCompleter, SuppressCompleter

    files = FilesCompleter()
    completers = {
        **dict.fromkeys(("PATH", "LINES", "RECORDING"), files),
        "VENUE": _venues,
        "CHANNEL": lambda parsed_args, **_: _channels(parsed_args.venue),
        "VENUE CHANNEL [SYMBOL ...]": lambda parsed_args, **_: _next(parsed_args.selections or []),
    }
    for command in commands:
        for action in command._actions:
            if action.choices is None and action.metavar in completers:
                action.completer = completers[str(action.metavar)]  # type: ignore[attr-defined]
    # Symbols and numbers cannot be completed.
    argcomplete.autocomplete(parser, always_complete_options=False, default_completer=SuppressCompleter())


def _venues(**_: Any) -> Iterable[str]:
    return (*ALL_WORDS, *SHORT_WORDS)


def _next(given: List[str]) -> Iterable[str]:
    """Complete ``VENUE CHANNEL [SYMBOL ...] + VENUE ...``."""
    if "+" in given:
        given = given[len(given) - given[::-1].index("+"):]
    if not given:
        return _venues()
    try:
        return _channels(word(given[0])) if len(given) == 1 else ()
    except argparse.ArgumentTypeError:
        return ()


def _channels(which: Word) -> Iterable[str]:
    return VENUES[which.venue].channels(which.socket)
