"""Sphinx extension: the reference's tables, made from the code.

* The ``Attributes:`` of an attrs class become a table: field, type, default or the wire's key, meaning.
* ``.. models:: MODULE``, ``.. channels:: MODULE``, ``.. exports:: MODULE`` list what a module's ``__all__`` has of that kind;
  ``.. exports:: dbxsdk events`` and ``exceptions`` those.
* ``.. dbot-methods::`` lists the methods of ``DBotTradeClient`` with the venue's names for them.
* Literals that name something public lead to it; links between pages work in HTML as they do on a code host.

A public name of ``dbxsdk`` that no page has, a description of a field that is not there, and a channel without a model are
warnings, and so errors under ``-W``.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import sys
import typing
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import attrs
from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

import dbxsdk
from dbxsdk import events
from dbxsdk.fields import WIRE

logger = logging.getLogger(__name__)

EVENTS = typing.get_args(events.Event)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> List[str]:
    """Return the lines of a list-table."""
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in (heads, *rows):
        for number, cell in enumerate(row):
            first, *rest = cell.splitlines() or [""]
            lines.append(f"   {' ' if number else '*'} - {first}".rstrip())
            lines += [f"       {line}".rstrip() for line in rest]
    return [*lines, ""]


def first_sentence(obj: Any) -> str:
    """Return the first sentence of a docstring, on one line."""
    paragraph = (inspect.getdoc(obj) or "").partition("\n\n")[0]
    return re.split(r"(?<=[.:])\s", " ".join(paragraph.split()), maxsplit=1)[0]


# -- attributes of attrs classes -----------------------------------------------------------------------


def take_attributes(lines: List[str]) -> Dict[str, str]:
    """Take the section ``Attributes:`` out of a docstring. Return its texts by name."""
    if "Attributes:" not in lines:
        return {}
    begin = lines.index("Attributes:")
    end = begin + 1
    while end < len(lines) and (not lines[end].strip() or lines[end].startswith(" ")):
        end += 1
    found: Dict[str, str] = {}
    names: List[str] = []
    for line in lines[begin + 1:end]:
        head = re.match(r" {4}(\w+(?:, \w+)*): ?(.*)", line)
        if head:
            names = head[1].split(", ")
            found.update(dict.fromkeys(names, head[2]))
        elif line.strip():
            found.update({name: f"{found[name]}\n{line.strip()}" for name in names})
    lines[begin:end] = [""]
    return found


def type_name(field: Any) -> str:
    """Return a field's type as it is written, without the modules' names."""
    name = field.type if isinstance(field.type, str) else getattr(field.type, "__name__", str(field.type))
    return re.sub(r"\b[a-z_]+(?:\.[a-z_]+)*\.(?=[A-Z])", "", name)


def default_of(field: Any) -> str:
    if field.default is attrs.NOTHING:
        return ""
    value = field.default.factory() if isinstance(field.default, attrs.Factory) else field.default  # type: ignore[arg-type]
    return f"``{value!r}``"


def tabulate(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: List[str]) -> None:
    """Put a table of the fields in the place of ``Attributes:``."""
    if what not in ("class", "exception") or not attrs.has(obj):
        return
    texts = take_attributes(lines)
    fields = [field for field in attrs.fields(obj) if not field.name.startswith("_")]
    wired = any(WIRE in field.metadata for field in fields)
    rows = []
    for field in fields:
        more = f"``{field.metadata[WIRE][0]}``" if WIRE in field.metadata else "" if wired else default_of(field)
        rows.append((f"``{field.name}``", f"``{type_name(field)}``", more, texts.get(field.name, "")))
    for stranger in set(texts) - {field.name for field in fields} - set(dir(obj)):
        logger.warning("%s describes %s, which it does not have", name, stranger)
    if rows:
        lines += ["", *table(("field", "type", "wire" if wired else "default", "meaning"), rows)]


def without_fields(app: Sphinx, what: str, name: str, obj: Any, *rest: Any) -> Optional[Tuple[str, None]]:
    """No signature where the table says it all."""
    return ("", None) if what == "class" and attrs.has(obj) else None


# -- what modules have ---------------------------------------------------------------------------------


class FromModule(SphinxDirective):
    """A list of what a module's ``__all__`` has of some kind."""

    required_arguments = 1
    optional_arguments = 1

    def run(self) -> List[nodes.Node]:
        module = importlib.import_module(self.arguments[0])
        return self.parse_text_to_nodes("\n".join(self.lines(module)))

    def lines(self, module: Any) -> Iterator[str]:
        raise NotImplementedError


def public(module: Any) -> Dict[str, Any]:
    return {name: getattr(module, name) for name in module.__all__}


class Models(FromModule):
    """The classes that are read from the wire, and their parts."""

    def lines(self, module: Any) -> Iterator[str]:
        for name, each in public(module).items():
            if isinstance(each, type) and attrs.has(each) and not issubclass(each, dbxsdk.Channel):
                if getattr(dbxsdk, name, None) is not each:
                    yield f".. autoclass:: {module.__name__}.{name}\n   :members:\n\n"


class Exports(FromModule):
    """The classes and functions, without those that ``dbxsdk`` has: of ``dbxsdk`` itself its ``events``, ``exceptions``, or the
    ``others`` that no page names."""

    def lines(self, module: Any) -> Iterator[str]:
        kind = self.arguments[1] if len(self.arguments) > 1 else ""
        named = "".join(path.read_text("utf-8") for path in (Path(__file__).parent / "reference").glob("*.rst"))
        for name, each in public(module).items():
            is_exception, is_event = isinstance(each, type) and issubclass(each, Exception), each in EVENTS
            if kind == "others":
                if is_exception or is_event or re.search(rf"dbxsdk\.{name}\b", named):
                    continue
            elif kind and not (is_exception if kind == "exceptions" else is_event):
                continue
            elif not kind and getattr(dbxsdk, name, None) is each:
                continue
            if isinstance(each, type):
                word = "exception" if is_exception else "class"
                more = "   :show-inheritance:\n" if is_exception else ""
                yield f".. auto{word}:: {module.__name__}.{name}\n   :members:\n{more}\n"
            elif inspect.isfunction(each):
                yield f".. autofunction:: {module.__name__}.{name}\n\n"


class Channels(FromModule):
    """The constants and functions that are channels, with what they bring."""

    def lines(self, module: Any) -> Iterator[str]:
        rows = []
        for name, each in public(module).items():
            if isinstance(each, dbxsdk.Channel):
                data = data_of(name, each)
                if not data:
                    logger.warning("%s.%s: nothing says which model it brings", module.__name__, name)
                rows.append((f"``{name}``", f"``{each.name}``", data))
            elif inspect.isfunction(each) and "Channel" in str(inspect.signature(each).return_annotation):
                returned = str(inspect.signature(each).return_annotation)
                brings = re.sub(r"^\w*Channel\[(.*)\]$", r"\1", re.sub(r"\b[a-z_]+\.(?=[A-Z])", "", returned))
                words = ", ".join(inspect.signature(each).parameters)
                rows.append((f"``{name}({words})``", first_sentence(each), f"``{brings}``"))
        yield from table(("constant", "channel", "``Update.data``"), rows)


def data_of(name: str, channel: Any) -> str:
    """Return the names of the models that a channel's reader makes, as annotations and closures say."""
    item = getattr(channel.read, "each", channel.read)
    found = {each for each in models_in(item, 3)} or set(annotated(name, channel))
    names = " or ".join(f"``{each.__name__}``" for each in sorted(found, key=lambda each: each.__name__))
    return f"tuple of {names}" if item is not channel.read else names


def models_in(read: Any, depth: int) -> Iterator[type]:
    returned = typing.get_type_hints(read).get("return") if inspect.isfunction(read) else None
    for each in (returned, *typing.get_args(returned)):
        if isinstance(each, type) and attrs.has(each):
            yield each
    for cell in getattr(read, "__closure__", None) or ():
        if isinstance(cell.cell_contents, type) and attrs.has(cell.cell_contents):
            yield cell.cell_contents
        elif depth and inspect.isfunction(cell.cell_contents):
            yield from models_in(cell.cell_contents, depth - 1)


def annotated(name: str, channel: Any) -> Iterator[type]:
    """The type that the channel is declared with, if its reader does not say."""
    for module in list(sys.modules.values()):
        declared = vars(module).get("__annotations__", {}) if module.__name__.startswith("dbxsdk.") else {}
        if name in declared and vars(module).get(name) is channel:
            (data,) = typing.get_args(typing.get_type_hints(module)[name])
            yield from typing.get_args(data) or (data,)


class DBotMethods(SphinxDirective):
    """The methods of the trade client, with the venue's names for them."""

    def run(self) -> List[nodes.Node]:
        rows = []
        for name, each in vars(dbxsdk.DBotTradeClient).items():
            sentence = first_sentence(each)
            venue = re.search(r" \(``(\w+)``\)", sentence)
            if venue and not name.startswith("_"):
                rows.append((f"``{name}``", f"``{venue[1]}``", sentence.replace(venue[0], "").rstrip(":")))
        return self.parse_text_to_nodes("\n".join(table(("method", "the venue's", "what it does"), rows)))


class Events(SphinxDirective):
    """Every event, with its fields."""

    def run(self) -> List[nodes.Node]:
        rows = []
        for each in EVENTS:
            names = [field.name for field in attrs.fields(each) if field.name != "client"]
            rows.append((f"``{each.__name__}``", ", ".join(f"``{name}``" for name in names), first_sentence(each)))
        return self.parse_text_to_nodes("\n".join(table(("event", "fields", "meaning"), rows)))


# -- links ---------------------------------------------------------------------------------------------


def link(app: Sphinx, document: nodes.document) -> None:
    """Lead literals that name something public to it, and links between the pages' sources to the pages."""
    for reference in list(document.findall(nodes.reference)):
        target = reference.get("refuri", "")
        if ":" not in target:
            reference["refuri"] = re.sub(r"\.rst(?=#|$)", ".html", target)
    for literal in list(document.findall(nodes.literal)):
        name = re.sub(r"\(.*\)$", "", literal.astext())
        head, _, rest = name.partition(".")
        inside = isinstance(literal.parent, (pending_xref, nodes.reference))
        if head in dbxsdk.__all__ and re.fullmatch(r"[\w.]+", name) and not inside:
            xref = pending_xref("", refdomain="py", reftype="obj", reftarget=f"dbxsdk.{name}", refexplicit=True, refwarn=False)
            xref["refdoc"] = app.env.docname
            literal.replace_self(xref)
            xref += literal


def check_whole(app: Sphinx, env: Any) -> None:
    """Warn of every public name that no page has."""
    for name in dbxsdk.__all__:
        if f"dbxsdk.{name}" not in env.get_domain("py").objects and name != "Event":
            logger.warning("dbxsdk.%s is on no page of the reference", name)


# -- names in annotations ------------------------------------------------------------------------------


def import_for_types() -> None:
    """Give every module what it has for type checkers only, so that the names in its annotations lead to their classes."""
    for found in pkgutil.walk_packages(dbxsdk.__path__, "dbxsdk."):
        if found.name.rpartition(".")[2] != "__main__":
            try:
                importlib.import_module(found.name)
            except ImportError as error:  # of an extra that is not installed
                logger.info("%s", error)
    for name, module in sorted(sys.modules.items()):
        if name.partition(".")[0] == "dbxsdk":
            for node in ast.parse(inspect.getsource(module)).body:
                if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                    exec("\n".join(map(ast.unparse, node.body)), vars(module))


def setup(app: Sphinx) -> Dict[str, Any]:
    """Called by Sphinx."""
    import_for_types()
    app.connect("autodoc-process-docstring", tabulate, priority=400)  # before napoleon reads the sections
    app.connect("autodoc-process-signature", without_fields)
    app.connect("doctree-read", link)
    app.connect("env-check-consistency", check_whole)
    app.add_directive("models", Models)
    app.add_directive("exports", Exports)
    app.add_directive("channels", Channels)
    app.add_directive("dbot-methods", DBotMethods)
    app.add_directive("events", Events)
    return {"parallel_read_safe": True}
