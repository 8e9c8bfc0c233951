"""Names of a package, and its modules, that are imported at their first use."""

from __future__ import annotations

import importlib
import sys
from typing import Any, Callable, List, Mapping, Tuple

from dbxsdk.runtime.fork import importing


def exported(name: str) -> Any:
    """What ``dbxsdk`` itself exports by this name; None if there is no such name. For modules that the package imports."""
    package = sys.modules[__name__.partition(".")[0]]
    return getattr(package, name, None) if name in package.__all__ else None


def on_demand(package: str, homes: Mapping[str, str]) -> Tuple[Callable[[str], Any], Callable[[], List[str]]]:
    """``__getattr__`` and ``__dir__`` for ``package``; ``homes`` has the names (blanks between them) of each module."""
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

    def names() -> List[str]:
        return sorted({*vars(sys.modules[package]), *modules, *inner})

    return getattribute, names
