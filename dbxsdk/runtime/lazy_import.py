"""Names of a package, and its modules, that are imported at their first use."""

from __future__ import annotations

import importlib
import sys
from typing import Any, Callable, Iterable, List, Mapping, Tuple

from dbxsdk.runtime.fork import importing


def exported(name: str) -> Any:
    """What ``dbxsdk`` itself exports by this name; None if there is no such name. For modules that the package imports."""
    package = sys.modules[__name__.partition(".")[0]]
    return getattr(package, name, None) if name in package.__all__ else None


class Later:
    """A module that is imported when something of it is wanted: a program has its clients' classes before it has made one."""

    __slots__ = ("_name", "_module")

    def __init__(self, name: str) -> None:
        self._name = name
        self._module: Any = None

    def __getattr__(self, name: str) -> Any:
        if self._module is None:
            with importing():
                self._module = importlib.import_module(self._name)
        return getattr(self._module, name)


def listing(package: str, modules: Iterable[str] = ()) -> Callable[[], List[str]]:
    """Return the ``__dir__`` of ``package``: what it exports, and ``modules`` of it, but not what it imports."""

    def names() -> List[str]:
        own = vars(sys.modules[package])
        return sorted({*own["__all__"], *modules, *(name for name in own if name.startswith("__"))})

    return names


def on_demand(
    package: str, homes: Mapping[str, str], shown: Iterable[str] = ()
) -> Tuple[Callable[[str], Any], Callable[[], List[str]]]:
    """Return ``__getattr__`` and ``__dir__`` for ``package``. ``homes`` has the names (blanks between them) of each module;
    ``dir()`` lists the names, and the modules that are ``shown``."""
    modules = {name: module for module, names in homes.items() for name in names.split()}
    inner = {module[len(package) + 1:].partition(".")[0] for module in homes}

    def getattribute(name: str) -> Any:
        if name in inner:  # as if all had been imported, which makes a package's modules its attributes
            with importing():
                return importlib.import_module(f"{package}.{name}")
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        with importing():
            value = getattr(importlib.import_module(modules[name]), name)
        setattr(sys.modules[package], name, value)  # the next use does not come here
        return value

    return getattribute, listing(package, shown)
