"""Every example in a docstring of the package is found, and runs: against local venues, in place of the real addresses."""

from __future__ import annotations

import ast
import base64
import inspect
import json
import re
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Tuple

import pytest

import dbxsdk
from dbxsdk.recording.format import Header, decode, encode
from dbxsdk.sim import BybitVenue
from tests.documents import blocks, tree
from tests.local_addresses import LocalVenues, local_venues

ROOT = Path(dbxsdk.__file__).parent

FIGURES = {"errors.py": "the tree of exceptions", "recording/format.py": "a header"}
"""The modules whose block is no example to run but a figure: each has a test of its own below."""

_DOES = (ast.Assign, ast.Call, ast.For, ast.FunctionDef, ast.Import, ast.ImportFrom, ast.With)


def docstrings(source: str) -> Iterator[str]:
    """The texts that stand by themselves: of the module, its classes, functions and attributes."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield inspect.cleandoc(node.value.value)


def code_of(docstring: str) -> List[str]:
    """Its blocks of code."""
    if "::" not in docstring and ">>>" not in docstring:
        return []  # docutils takes its time
    return [text for _, text in blocks(tree(docstring))]


def escaped(docstring: str) -> List[str]:
    """The paragraphs that are Python and stand in none of its blocks."""
    known = [" ".join(block.split()) for block in code_of(docstring)]
    paragraphs = [inspect.cleandoc("\n" + paragraph) for paragraph in re.split(r"\n\s*\n", docstring)]
    return [each for each in paragraphs if _is_code(each) and not any(" ".join(each.split()) in block for block in known)]


def _is_code(paragraph: str) -> bool:
    try:
        parsed = ast.parse(paragraph)
    except (SyntaxError, ValueError):
        return False
    return any(isinstance(node, _DOES) for node in ast.walk(parsed))


SOURCES = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in sorted(ROOT.rglob("*.py"))}
FOUND = [
    (name, code)
    for name, source in SOURCES.items()
    if "::" in source or ">>>" in source  # without either there is none, and reading all takes its time
    for text in docstrings(source)
    for code in code_of(text)
]
EXAMPLES = [(name, code) for name, code in FOUND if name not in FIGURES]


def test_examples_are_found() -> None:
    names = [name for name, _ in FOUND]
    clients = {"bybit/private/client.py", "bybit/trade/client.py"}
    assert {"__init__.py", *clients, "playback/player.py", "sim/__init__.py"} <= set(names)
    assert [names.count(name) for name in FIGURES] == [1, 1]


@pytest.mark.parametrize(
    "docstring, code, out",
    [
        ("A::\n\n    f(x)\n\nB", ["f(x)"], []),
        ("A\n\n>>> f(x)\n1\n\nB", [">>> f(x)\n1"], []),
        ("A\n\n.. code-block:: python\n\n    f(x)\n", ["f(x)"], []),
        ("A\n\n    f(x)\n\nB", [], ["f(x)"]),
        ("A\n\nx = f(y)  # why\nf(x)\n", [], ["x = f(y)  # why\nf(x)"]),
        ("A word\n\nnothing\n\nArgs:\n    x: int\n", [], []),
    ],
    ids=range(6),
)
def test_what_counts_as_an_example(docstring: str, code: List[str], out: List[str]) -> None:
    assert code_of(docstring) == code
    assert escaped(docstring) == out


def test_no_example_escapes() -> None:
    found = [(name, text) for name, source in SOURCES.items() for text in docstrings(source)]
    assert len(found) > 1000
    assert [(name, lost) for name, text in found for lost in escaped(text)] == []


@pytest.fixture
def venues(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalVenues]:
    with local_venues(monkeypatch) as served:
        yield served


def record(folder: Path) -> None:
    """A little of Bybit's trades."""
    folder.mkdir()
    with dbxsdk.Recorder(folder) as recorder, BybitVenue(rate=0) as venue:
        with venue.client("linear", options=dbxsdk.Options(recorder=recorder)) as client:
            with client.messages("publicTrade", "BTCUSDT") as trades:
                venue.step(20)
                next(trades)


def write_key(path: Path) -> Any:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(65537, 2048)
    encoding, layout = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    path.write_bytes(key.private_bytes(encoding, layout, serialization.NoEncryption()))
    return key


@pytest.mark.parametrize("name, code", EXAMPLES, ids=[f"{name}-{number}" for number, (name, _) in enumerate(EXAMPLES)])
def test_examples_run(
    venues: LocalVenues,
    name: str,
    code: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    if "recordings/" in code:
        record(tmp_path / "recordings")
    key = write_key(tmp_path / "bybit.pem") if "bybit.pem" in code else None
    code = "\n".join(line[4:] for line in code.splitlines() if line[:4] in (">>> ", "... ")) if code[:3] == ">>>" else code
    given = {"dbxsdk": dbxsdk, "api_key": venues.bybit.api_key, "api_secret": venues.bybit.api_secret}
    exec(compile(code, f"the example in {name}", "exec"), given)
    out, err = capsys.readouterr()
    assert err == ""
    check: Callable[[], Any] = {
        "playback/player.py": lambda: "Update(venue='bybit'" in out and "Replayed(frames=" in out,
        "sim/__init__.py": lambda: "Update(venue='digifinex', channel='trades'" in out,
        "bybit/trade/client.py": lambda: [order.status for order in venues.bybit.orders()] == ["Cancelled"],
        "bybit/private/client.py": lambda: verify(key, given),
    }.get(name, lambda: True)
    assert check(), out


def verify(key: Any, example: Dict[str, Any]) -> bool:
    """What the example signs, Bybit's side can verify: it raises where not."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    signature = base64.b64decode(example["sign"]("GET/realtime1"))
    key.public_key().verify(signature, b"GET/realtime1", padding.PKCS1v15(), hashes.SHA256())
    return isinstance(example["client"], dbxsdk.BybitPrivateClient)


def test_the_tree_of_exceptions() -> None:
    (figure,) = (code for name, code in FOUND if name == "errors.py")
    parents: List[str] = []
    drawn: List[Tuple[str, str]] = []
    for line in figure.splitlines():
        match = re.match(r"([ |]*)(?:\+-- )?(\w+)", line)
        assert match
        depth = 0 if "+--" not in line else len(match[1]) // 4 + 1
        parents[depth:] = [match[2]]
        if depth:
            drawn.append((match[2], parents[depth - 1]))
        drawn += [(match[2], other) for other in re.findall(r"also an? (?:built-in )?(\w+)", line)]
    from dbxsdk import errors

    classes = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and kind.__module__ == errors.__name__}
    true = {(name, base.__name__) for name, kind in classes.items() for base in kind.__bases__ if name != "DbxError"}
    assert {pair for pair in drawn if pair[0] != "DbxError"} == true


def test_the_header_of_a_recording() -> None:
    (figure,) = (code for name, code in FOUND if name == "recording/format.py")
    line = " ".join(figure.replace("...", "1").split())
    read = decode(line.encode())
    assert isinstance(read, Header)
    assert list(json.loads(encode(read))) == list(json.loads(line))
