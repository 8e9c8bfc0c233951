"""Nobody but the session and its client knows what a session consists of: not the rest of the library, and no test that
does not lie beside it."""

from __future__ import annotations

import pathlib
import re
from typing import List

import pytest

import dbxsdk

ROOT = pathlib.Path(__file__).parents[1]
SESSION = pathlib.Path(dbxsdk.__file__).parent / "session"
PARTS = sorted({path.stem for path in SESSION.iterdir() if path.stem[0] not in "_."})
MENTIONS = re.compile(rf"\._session\b|dbxsdk\.session\.(?:{'|'.join(PARTS)})\b|dbxsdk\.session import (?:{'|'.join(PARTS)})\b")
ALLOWED = {
    "dbxsdk/client.py": "the client is the session's public side",
    "dbxsdk/rest_client.py": "as its subclass, of accounts, which have to know of each topic whether it is live",
    "tests/test_insides.py": "has to name what it looks for",
    "tests/fuzz/driver.py": "drives the machine, with every venue's protocol, and without a thread",
}
FILES = sorted(
    path.relative_to(ROOT).as_posix() for folder in ("dbxsdk", "samples", "tests") for path in (ROOT / folder).rglob("*.py")
)


def is_inside(path: str) -> bool:
    """The session itself, what is tested beside it, and the model that the machine is compared with."""
    return path.startswith(("dbxsdk/session/", "tests/session/", "tests/machine/"))


def mentions(text: str) -> List[str]:
    return [line.strip() for line in text.splitlines() if MENTIONS.search(line)]


@pytest.mark.parametrize("folder", ["dbxsdk", "samples", "tests"])
def test_nobody_reads_or_replaces_the_insides_of_a_session(folder: str) -> None:
    outside = [path for path in FILES if path.startswith(f"{folder}/") and not is_inside(path)]
    found = {path: mentions((ROOT / path).read_text("utf-8")) for path in outside}
    assert {path: lines for path, lines in found.items() if lines and path not in ALLOWED} == {}
    assert [path for path in outside if path in ALLOWED and not found[path]] == [], "it may go from the list"


def test_what_is_seen() -> None:
    assert {"core", "guard", "outbox", "delivery"} <= set(PARTS) and len(FILES) > 300
    seen = [
        "wire = client._session._connection._wire",
        "from dbxsdk.session.core.topics import Status",
        'monkeypatch.setattr("dbxsdk.session.guard.Guard", None)',
        "from dbxsdk.session import outbox",
    ]
    unseen = ["from dbxsdk.session import Connector, State", "start_new_session=True", "session = fields._sessions"]
    assert mentions("\n".join(seen + unseen)) == seen
