"""The layers, read off the source: who may import whom, and what the library never does."""

from __future__ import annotations

import ast
import functools
import pathlib
from typing import Iterator, List, Set, Tuple

import pytest

import dbxsdk

ROOT = pathlib.Path(dbxsdk.__file__).parent
MODULES = sorted(path for path in ROOT.rglob("*.py"))
VENUES = {"bybit", "cryptomus", "dbot", "digifinex"}
APART = {"__main__", "cli", "sim", "pytest_plugin"}
"""Beside the library: they may print, and use what they like."""


def parts(path: pathlib.Path) -> Tuple[str, ...]:
    return path.relative_to(ROOT).with_suffix("").parts


def name(path: pathlib.Path) -> str:
    return ".".join(("dbxsdk", *(part for part in parts(path) if part != "__init__")))


def area(module: str) -> str:
    """``bybit`` for ``dbxsdk.bybit.public.client``; "" for what lies at the top."""
    pieces = module.split(".")
    return pieces[1] if len(pieces) > 1 else ""


@functools.lru_cache(maxsize=None)
def parsed(path: pathlib.Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


@functools.lru_cache(maxsize=None)
def imported(path: pathlib.Path, typing_only: bool = False) -> Set[str]:
    """The modules that this one imports when it runs, in full; with ``typing_only`` also those for type checkers."""
    found: Set[str] = set()
    for node in _walk(parsed(path), typing_only):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name(path)}: imports are absolute"
            found.add(node.module or "")
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def _walk(tree: ast.AST, typing_only: bool) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test) and not typing_only:
            for other in node.orelse:
                yield other
                yield from _walk(other, typing_only)
            continue
        yield node
        yield from _walk(node, typing_only)


def tops(path: pathlib.Path) -> Set[str]:
    return {module.split(".")[0] for module in imported(path)}


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_imports(path: pathlib.Path) -> None:
    own = area(name(path))
    ours = {module for module in imported(path, typing_only=True) if module.split(".")[0] == "dbxsdk"}
    areas = {area(module) for module in ours} & (VENUES | APART)
    if own in VENUES:
        assert areas <= {own}, "a venue imports the core and itself"
    elif own not in APART and name(path) != "dbxsdk":
        assert areas == set(), "the core imports no venue"


@pytest.mark.parametrize("path", [path for path in MODULES if area(name(path)) not in APART], ids=name)
def test_only_the_transport_touches_the_network(path: pathlib.Path) -> None:
    if area(name(path)) != "transport":
        forbidden = {"websocket", "socket", "ssl", "select", "selectors", "http", "urllib3", "requests", "socketserver"}
        assert tops(path) & forbidden == set()


@pytest.mark.parametrize(
    "path", [path for path in MODULES if parts(path)[-1] in ("protocol", "models", "codec")], ids=name
)
def test_protocols_and_models_are_pure(path: pathlib.Path) -> None:
    assert (
        tops(path) & {"time", "threading", "socket", "ssl", "websocket", "random", "queue", "logging", "concurrent"}
        == set()
    )


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_no_asyncio_anywhere(path: pathlib.Path) -> None:
    tree = parsed(path)
    assert not {
        module for module in imported(path, typing_only=True) if module.split(".")[0] in ("asyncio", "trio", "anyio")
    }
    assert not [
        node
        for node in ast.walk(tree)
        if isinstance(node, (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith))
    ]


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_every_module_says_what_it_is_for(path: pathlib.Path) -> None:
    text = ast.get_docstring(parsed(path))
    assert text and len(text.splitlines()[0]) > 10


@pytest.mark.parametrize("path", [path for path in MODULES if area(name(path)) not in APART], ids=name)
def test_the_library_prints_nothing_and_never_sleeps_or_exits(path: pathlib.Path) -> None:
    calls: List[str] = []
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Call):
            calls.append(ast.unparse(node.func))
    assert not {
        "print",
        "time.sleep",
        "sys.exit",
        "exit",
        "os._exit",
        "websocket.enableTrace",
        "websocket.setdefaulttimeout",
    } & set(calls)


@pytest.mark.parametrize("path", [path for path in MODULES if area(name(path)) not in APART], ids=name)
def test_every_public_function_of_the_library_has_annotations(path: pathlib.Path) -> None:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef):
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            missing = [
                each.arg for each in arguments if each.annotation is None and each.arg not in ("self", "cls", "_")
            ]
            assert not missing and node.returns is not None, f"{name(path)}.{node.name}: {missing}"


def test_the_walk_sees_what_it_should(tmp_path: pathlib.Path) -> None:
    source = tmp_path / "x.py"
    source.write_text(
        "import a.b\nif TYPE_CHECKING:\n    import c\nelse:\n    import d\ndef f():\n    from e import g\n"
    )
    assert imported(source) == {"a.b", "d", "e", "e.g"}
    assert imported(source, typing_only=True) == {"a.b", "c", "d", "e", "e.g"}
    assert len(MODULES) > 20


def test_importing_starts_no_thread_and_touches_no_logger() -> None:
    import subprocess
    import sys

    code = (
        "import threading, logging, sys; before = threading.active_count(); import dbxsdk; "
        "assert threading.active_count() == before; "
        "assert logging.getLogger().handlers == []; "
        "assert 'asyncio' not in sys.modules, 'asyncio'; "
        "assert 'dbxsdk.sim' not in sys.modules and 'websockets' not in sys.modules; "
        "client = dbxsdk.DigiFinexClient(); assert threading.active_count() == before"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert run.returncode == 0, run.stderr
