"""Reads the documents as docutils does: their blocks of code by kind, their tables, and what it complains of; runs those
that show a terminal."""

from __future__ import annotations

import functools
import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, Iterable, List, Tuple

from docutils import nodes
from docutils.core import publish_doctree, publish_parts
from docutils.writers import html5_polyglot

ROOT = Path(__file__).parents[1]
GUIDE = ROOT / "samples" / "guide"

SETTINGS = {
    "report_level": 1,
    "halt_level": 5,
    "syntax_highlight": "none",  # it would need another package, and changes no block
    "file_insertion_enabled": False,
    "_disable_config": True,
}


def rendered(text: str) -> Tuple[str, str]:
    """The page in HTML, and every message of docutils, the least included."""
    said = io.StringIO()
    parts = publish_parts(text, writer=html5_polyglot.Writer(), settings_overrides={**SETTINGS, "warning_stream": said})
    return parts["whole"], said.getvalue()


@functools.lru_cache(maxsize=None)
def tree(text: str) -> Any:
    """The page as docutils reads it, once for all who ask: it takes its time."""
    return publish_doctree(text, settings_overrides={**SETTINGS, "warning_stream": io.StringIO()})


def blocks(document: Any) -> List[Tuple[str, str]]:
    """(kind, text) of everything that is set as code: ``"python"``, ``"sh"``, ...; ``""`` behind a bare ``::``, and
    docutils' own name of what is no block of code by name (``"doctest_block"``)."""
    found = []
    for node in document.findall(lambda node: isinstance(node, (nodes.FixedTextElement, nodes.math_block))):
        if isinstance(node, nodes.comment) or isinstance(node.parent, nodes.system_message):
            continue
        kind = " ".join(node["classes"][1:]) if isinstance(node, nodes.literal_block) else node.tagname
        found.append((kind, node.astext()))
    return found


def tables(document: Any) -> List[List[Dict[str, str]]]:
    """Each table's rows, by the head's words, or "0", "1", ...; literals keep their quotes, as they stand in the text."""
    found = []
    for table in document.findall(nodes.table):
        heads = [[_text(entry) for entry in row] for head in table.findall(nodes.thead) for row in head]
        rows = [[_text(entry) for entry in row] for body in table.findall(nodes.tbody) for row in body]
        if len(heads) == 1:
            found.append([dict(zip(heads[0], row)) for row in rows])  # noqa: B905
        else:
            found.append([{str(number): cell for number, cell in enumerate(row)} for row in rows])
    return found


def _text(node: Any) -> str:
    return "".join(
        f"``{each.astext()}``" if isinstance(each.parent, nodes.literal) else each.astext()
        for each in node.findall(nodes.Text)
    ).replace("\n", " ")


def shape(lines: Iterable[str]) -> List[str]:
    """The lines without what is different each time, in an order of their own: two venues connect in any order."""
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\bdbx-[0-9a-f]{32}", "ID", "\n".join(lines))
    return sorted(re.sub(r"\d[\d,]*(\.\d+)?", "0", text).splitlines())


def sessions(block: str) -> List[Tuple[str, List[str]]]:
    """The commands of a console's text, each with the lines that it prints."""
    found: List[Tuple[str, List[str]]] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif not _complete(found[-1][0]):
            found[-1] = (found[-1][0] + "\n" + line, [])
        else:
            found[-1][1].append(line)
    return found


def _complete(command: str) -> bool:
    try:
        return not command.endswith("\\") and bool(shlex.split(command))
    except ValueError:  # within quotes
        return False


def run_sessions(texts: Iterable[str], folder: Path) -> List[Tuple[str, List[str], List[str]]]:
    """Run every command of these console blocks, all at once, for what they do is mostly wait. Return
    (command, what the block says, what was printed), both as ``shape`` has them."""
    (folder / "dbxsdk").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m dbxsdk "$@"\n')
    (folder / "dbxsdk").chmod(0o755)
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "COLUMNS": "100"}
    running = []
    for command, output in [pair for text in texts for pair in sessions(text)]:
        assert command.startswith("dbxsdk ") and ("--local" in command or "--help" in command), command
        script = f"set -o pipefail; {{ {command}\n}} 2>&1"
        process = subprocess.Popen(["bash", "-c", script], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
        running.append((command, output, process))
    done = []
    for command, output, process in running:
        with process:
            said = process.communicate(timeout=30)[0]
        assert process.returncode == 0, said
        done.append((command, shape(output), shape(said.replace(str(folder), "/home/you").splitlines())))
    return done
