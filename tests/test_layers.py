"""The layers, read off the source: who may import whom, how large a module may be, what the library never does."""

from __future__ import annotations

import ast
import collections
import functools
import importlib
import pathlib
import re
import subprocess
import sys
from typing import Any, Callable, Dict, Iterator, List, Sequence, Set, Tuple

import pytest

import dbxsdk

ROOT = pathlib.Path(dbxsdk.__file__).parent
MODULES = sorted(path for path in ROOT.rglob("*.py"))
VENUES = {"bybit", "cryptomus", "dbot", "digifinex"}
APART = {"__main__", "cli", "sim", "pytest_plugin"}
"""Beside the library: they may print, and use what they like."""
UNFINISHED: Set[str] = set()
"""Modules, and packages with all that is in them, that the laws of size and circles do not hold for yet."""
LARGEST = 450
"""Lines of a module."""


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
def nodes(path: pathlib.Path) -> Sequence[ast.AST]:
    """All of a module's, once for all laws: walking takes longer than they do."""
    return tuple(ast.walk(parsed(path)))


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


def finished(path: pathlib.Path) -> bool:
    return not any(name(path) == each or name(path).startswith(f"{each}.") for each in UNFINISHED)


def strings(path: pathlib.Path) -> Iterator[str]:
    """The texts in the code: docstrings are none."""
    told = {id(node.value) for node in nodes(path) if isinstance(node, ast.Expr)}
    for node in nodes(path):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            yield node.value


def tops(path: pathlib.Path) -> Set[str]:
    return {module.split(".")[0] for module in imported(path)}


def law(paths: Sequence[pathlib.Path]) -> Callable[[Callable[[pathlib.Path], None]], Callable[[], None]]:
    """Make one test of a law for these modules, which names each that breaks it: a test for each would be a quarter of all."""

    def tested(check: Callable[[pathlib.Path], None]) -> Callable[[], None]:
        def test() -> None:
            assert paths, "a law for no module"
            broken = []
            for path in paths:
                try:
                    check(path)
                except Exception as error:  # an AssertionError, or what a name that leads nowhere raises
                    broken.append(f"{name(path)}: {type(error).__name__}: {error}")
            assert not broken, "\n\n".join(broken)

        test.__doc__ = check.__doc__
        return test

    return tested


@law(MODULES)
def test_imports(path: pathlib.Path) -> None:
    own = area(name(path))
    ours = {module for module in imported(path, typing_only=True) if module.split(".")[0] == "dbxsdk"}
    areas = {area(module) for module in ours} & (VENUES | APART)
    if own in VENUES:
        assert areas <= {own}, "a venue imports the core and itself"
    elif own not in APART and name(path) != "dbxsdk":
        assert areas == set(), "the core imports no venue"


NETWORKED = ("dbxsdk.transport", "dbxsdk.sim", "dbxsdk.cli.doctor")


@law([path for path in MODULES if not name(path).startswith(NETWORKED)])
def test_only_the_transport_touches_the_network(path: pathlib.Path) -> None:
    forbidden = {"websocket", "socket", "ssl", "select", "selectors", "http", "urllib3", "requests", "socketserver"}
    assert tops(path) & forbidden == set()


PURE = ("protocol", "models", "channels", "codec", "fields", "rule", "clock_skew")
"""Whole names, or what follows an underscore: ``models``, ``ticker_models``."""


def is_pure(path: pathlib.Path) -> bool:
    return parts(path)[-1].endswith(PURE) and area(name(path)) not in APART


def test_the_purest_are_found_wherever_they_are() -> None:
    found = {name(path) for path in MODULES if is_pure(path)}
    assert found >= {f"dbxsdk.bybit.{socket}.protocol" for socket in ("public", "private", "trade")}
    assert found >= {"dbxsdk.protocol", "dbxsdk.dbot.data.protocol", "dbxsdk.bybit.public.ticker_models", "dbxsdk.book.rule"}


@law([path for path in MODULES if is_pure(path)])
def test_protocols_and_models_are_pure(path: pathlib.Path) -> None:
    assert (
        tops(path) & {"time", "threading", "socket", "ssl", "websocket", "random", "queue", "logging", "concurrent"}
        == set()
    )


@law([path for path in MODULES if name(path) != "dbxsdk.runtime.lazy_import"])
def test_what_is_imported_later_is_known_to_type_checkers(path: pathlib.Path) -> None:
    """And by this to the laws above."""
    calls = [node for node in nodes(path) if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Later"]
    later = [resolve(call.args[0].value).__name__ for call in calls if isinstance(call.args[0], ast.Constant)]
    assert len(later) == len(calls), "a module is named by a text"
    assert {*later} <= imported(path, typing_only=True) - imported(path)


@law(MODULES)
def test_no_asyncio_anywhere(path: pathlib.Path) -> None:
    assert not {
        module for module in imported(path, typing_only=True) if module.split(".")[0] in ("asyncio", "trio", "anyio")
    }
    assert not [
        node
        for node in nodes(path)
        if isinstance(node, (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith))
    ]


@law(MODULES)
def test_every_module_says_what_it_is_for(path: pathlib.Path) -> None:
    text = ast.get_docstring(parsed(path))
    assert text and len(text.splitlines()[0]) > 10


@law([path for path in MODULES if area(name(path)) not in APART])
def test_the_library_prints_nothing_and_never_sleeps_or_exits(path: pathlib.Path) -> None:
    calls: List[str] = []
    for node in nodes(path):
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


@law([path for path in MODULES if area(name(path)) not in APART])
def test_every_public_function_of_the_library_has_annotations(path: pathlib.Path) -> None:
    for node in nodes(path):
        if isinstance(node, ast.FunctionDef):
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            missing = [
                each.arg for each in arguments if each.annotation is None and each.arg not in ("self", "cls", "_")
            ]
            assert not missing and node.returns is not None, f"{name(path)}.{node.name}: {missing}"


# -- the house ---------------------------------------------------------------------------------------------


@law([path for path in MODULES if finished(path)])
def test_no_module_is_large(path: pathlib.Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= LARGEST


def circles(imports: Dict[str, Set[str]]) -> List[List[str]]:
    """The groups of modules each of which leads to all the others of its group (Tarjan)."""
    found: List[List[str]] = []
    index: Dict[str, int] = {}
    low: Dict[str, int] = {}
    stack: List[str] = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for other in imports[module]:
            if other not in index:
                visit(other)
                low[module] = min(low[module], low[other])
            elif other in stack:
                low[module] = min(low[module], index[other])
        if low[module] == index[module]:
            group = stack[stack.index(module):]
            del stack[stack.index(module):]
            if len(group) > 1:
                found.append(sorted(group))

    for module in imports:
        if module not in index:
            visit(module)
    return found


def graph(paths: List[pathlib.Path]) -> Dict[str, Set[str]]:
    """Who imports whom, imports for type checkers and those inside of functions counted. Of ``from package import module``
    it is the module; that importing a module imports the packages around it is no news."""
    known = {name(path) for path in paths}
    found: Dict[str, Set[str]] = {}
    for path in paths:
        wanted: Set[str] = set()
        for node in nodes(path):
            if isinstance(node, ast.Import):
                wanted.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    module = f"{node.module}.{alias.name}"
                    wanted.add(module if module in known else node.module or "")
        found[name(path)] = (wanted & known) - {name(path)}
    return found


def test_no_imports_go_in_circles() -> None:
    assert circles(graph([path for path in MODULES if finished(path)])) == []


def test_circles_are_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a", "e"}, "e": set()}) == [["a", "b", "c"]]
    assert circles({"a": {"b"}, "b": set()}) == []


def test_no_folder_is_written_as_a_prefix() -> None:
    """Three modules or more of one folder whose names begin with the same word belong into a folder of that name."""
    for folder in {path.parent for path in MODULES}:
        words = collections.Counter(path.stem.split("_")[0] for path in folder.glob("*.py") if path.stem[0] != "_")
        assert {word: count for word, count in words.items() if word and count > 2} == {}, folder


NAMES_OF_VENUES = re.compile("|".join(VENUES), re.IGNORECASE)


def names(path: pathlib.Path) -> Iterator[str]:
    """The names that the code gives or uses."""
    for node in nodes(path):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg


@law([path for path in MODULES if area(name(path)) not in APART | VENUES and name(path) != "dbxsdk"])
def test_the_core_names_no_venue(path: pathlib.Path) -> None:
    assert [each for each in (*strings(path), *names(path)) if NAMES_OF_VENUES.search(each)] == []


TOOLS_THAT_KNOW_VENUES = ("dbxsdk.cli.venues", "dbxsdk.cli.demo.setup")


@law([path for path in MODULES if area(name(path)) == "cli"])
def test_the_command_line_knows_venues_in_one_place(path: pathlib.Path) -> None:
    """Elsewhere they stand in examples, which are longer texts, and make no difference."""
    if not name(path).startswith(TOOLS_THAT_KNOW_VENUES):
        assert {area(module) for module in imported(path, typing_only=True)} & VENUES == set()
        assert [each for each in strings(path) if re.fullmatch(rf"({'|'.join(VENUES)})(:\w+)?", each)] == []


# -- strings that name modules and what is in them -----------------------------------------------------------

DOTTED = re.compile(r"(?<![\w./\"-])dbxsdk(?:\.[A-Za-z_]\w*)+")


def resolve(dotted: str) -> Any:
    pieces = dotted.split(".")
    found: Any = importlib.import_module(pieces[0])
    for number, piece in enumerate(pieces[1:], 2):
        try:
            found = getattr(found, piece)
        except AttributeError:
            found = importlib.import_module(".".join(pieces[:number]))
    return found


@law(MODULES)
def test_names_in_strings_are_there(path: pathlib.Path) -> None:
    """In docstrings, too."""
    for node in nodes(path):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for dotted in DOTTED.findall(node.value):
                resolve(dotted)


@pytest.mark.parametrize("package", ["dbxsdk", "dbxsdk.bybit"])
def test_what_is_imported_on_demand_is_there(package: str) -> None:
    module = importlib.import_module(package)
    for home, exported in module._HOMES.items():
        for each in exported.split():
            assert getattr(module, each) is getattr(importlib.import_module(home), each)
    assert sorted(" ".join(module._HOMES.values()).split()) == module.__all__


LOCKS_ELSEWHERE = {
    "dbxsdk.account.account": "reentrant, held for moments: what a signal handler closes in the middle of is done after it",
    "dbxsdk.runtime.fork": "held while threads fork, import or put a child right; no method for signal handlers takes it",
    "dbxsdk.cryptomus.channel_union": "held by requests and subscriptions, which signal handlers may not make",
    "dbxsdk.playback.player": "reentrant; a replay is ended by the thread that runs it",
}


def test_what_makes_locks_is_known_to_hold_some() -> None:
    """See ``runtime/reentrancy.py``: there, a method that waits for a lock may be called by a signal handler."""
    from dbxsdk.runtime.reentrancy import WITH_LOCKS

    makers = {
        name(path)
        for path in MODULES
        if area(name(path)) not in APART
        for node in nodes(path)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("threading.Lock", "threading.RLock", "threading.Condition")
    }
    assert {module for module in makers if not module.startswith(WITH_LOCKS)} == set(LOCKS_ELSEWHERE)


def test_a_broken_law_names_each_module_that_breaks_it() -> None:
    def check(path: pathlib.Path) -> None:
        assert path.name != "errors.py", "no such name"
        resolve("dbxsdk.nowhere" if path.name == "events.py" else "dbxsdk.errors")

    with pytest.raises(AssertionError) as raised:
        law([ROOT / "errors.py", ROOT / "options.py", ROOT / "events.py"])(check)()
    said = str(raised.value)
    assert "dbxsdk.errors: AssertionError: no such name" in said and "dbxsdk.options:" not in said
    assert "dbxsdk.events: ModuleNotFoundError" in said
    with pytest.raises(AssertionError):
        law([])(check)()


def test_the_walk_sees_what_it_should(tmp_path: pathlib.Path) -> None:
    source = tmp_path / "x.py"
    source.write_text(
        "import a.b\nif TYPE_CHECKING:\n    import c\nelse:\n    import d\ndef f():\n    from e import g\n"
    )
    assert imported(source) == {"a.b", "d", "e", "e.g"}
    assert imported(source, typing_only=True) == {"a.b", "c", "d", "e", "e.g"}
    assert len(MODULES) > 20


def test_importing_starts_no_thread_and_touches_no_logger() -> None:
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


LIGHT = ("BybitPublicClient", "BybitPrivateClient", "CryptomusClient", "DBotDataClient", "DigiFinexClient", "DigiFinexSwapClient")


@pytest.mark.parametrize("client", LIGHT)
def test_a_clients_class_is_there_without_what_a_client_needs(client: str) -> None:
    code = f"import sys, dbxsdk; dbxsdk.{client}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert not {"websocket", "requests", "dbxsdk.session", "dbxsdk.transport", "dbxsdk.book"} & {*run.stdout.split()}
