"""Reads the documents as docutils does: their blocks of code by kind, their tables, and what it complains of."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Dict, List, Tuple

from docutils import nodes
from docutils.core import publish_doctree, publish_parts
from docutils.writers import html5_polyglot

ROOT = Path(__file__).parents[1]

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


def tree(text: str) -> Any:
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
