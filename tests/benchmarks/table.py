"""Results as a table for people and as one JSON document."""

from __future__ import annotations

import importlib.metadata
import operator
import os
import platform
import statistics
from typing import Any, Dict, Iterable, List, Mapping, Optional

from tests.benchmarks.rows import AT_MOST, FASTER, Comparison, Row
from tests.benchmarks.running import Cores, Measurement, Result

PACKAGES = (
    "websocket-client", "requests", "attrs", "msgspec", "isal", "orjson", "pybit", "picows", "aiofastnet", "aiohttp",
    "websockets", "websocket-rs", "trustme",
)
_STANDING = 1.15
"""Wall over processor time of a flooded client, above which it was not the client that took the time."""
NAMES = {"wall_us": "wall", "cpu_us": "cpu", "p99_us": "p99", "p50_us": "median"}
UNITS = {**{name: "us" for name in NAMES}, "first_kib": "KiB", "further_kib": "KiB", "wakeups": "/s", "kept_bytes": "B"}


def document(rows: Mapping[str, Row], results: Mapping[Measurement, Result], scale: str) -> Dict[str, Any]:
    """All there is to tell."""
    return {
        "scale": scale,
        "machine": machine(),
        "rows": [
            {"row": name, "title": row.title, **_line(comparison, results)}
            for name, row in rows.items()
            for comparison in row.comparisons
        ],
    }


def machine() -> Dict[str, Any]:
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "placement": str(Cores()),
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": {name: version for name in PACKAGES for version in [_version(name)] if version},
    }


def text(told: Mapping[str, Any]) -> str:
    """``document``'s result as a table."""
    lines: List[List[str]] = []
    titles: Dict[int, str] = {}
    previous = None
    for line in told["rows"]:
        if line["row"] != previous:
            titles[len(lines)] = f"{line['row']}: {line['title']}"
            previous = line["row"]
        lines.append(_cells(line))
    head = ["beside", "target", "measured", "range", "by cpu", "", "ours", "peer"]
    widths = [max(len(cells[column]) for cells in [head, *lines]) for column in range(len(head))]

    def join(cells: List[str]) -> str:
        return "  " + "  ".join(cell.ljust(widths[column]) for column, cell in enumerate(cells)).rstrip()

    output = [join(head)]
    for number, cells in enumerate(lines):
        if number in titles:
            output += ["", titles[number]]
        output.append(join(cells))
    about = told["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in about["packages"].items())
    output += [
        "",
        f"{about['cpu']}, {about['cores']} cores ({about['placement']}), {about['system']}, {about['python']}",
        versions,
        f"Scale {told['scale']}; medians; \"range\" is the ratio within single rounds. "
        "us: microseconds a message, request or import; cpu: processor time of all threads of the client. "
        "disturbed: others used the cores, only \"by cpu\" tells something.",
    ]
    return "\n".join(output)


def _line(comparison: Comparison, results: Mapping[Measurement, Result]) -> Dict[str, Any]:
    ours, peer = results[comparison.ours], results[comparison.peer]
    line: Dict[str, Any] = {
        "beside": comparison.label,
        "sense": comparison.sense,
        "target": comparison.target,
        "figure": comparison.figure,
        "ours": _figures(ours, comparison),
        "peer": _figures(peer, comparison),
        "measured": None,
        "range": None,
        "by_cpu": None,
        "disturbed": _disturbed(comparison, (ours, peer)),
        "reached": None,
        "problem": f"dbxsdk: {ours.problem}" if ours.problem else peer.problem,
    }
    if comparison.sense == AT_MOST and line["ours"]:
        line["measured"] = statistics.median(ours.each(comparison.figure))
    elif line["ours"] and line["peer"]:
        upper, lower = (peer, ours) if comparison.sense == FASTER else (ours, peer)
        above, below = upper.each(comparison.figure), lower.each(comparison.figure)
        if min(below) > 0:
            ratios = list(map(operator.truediv, above, below))
            line["measured"] = statistics.median(above) / statistics.median(below)
            line["range"] = [min(ratios), max(ratios)]
            if comparison.figure == "wall_us" and comparison.beside == "cpu_us":
                line["by_cpu"] = statistics.median(upper.each("cpu_us")) / statistics.median(lower.each("cpu_us"))
    if line["measured"] is not None and comparison.target is not None and not line["disturbed"]:
        reached = line["measured"] >= comparison.target if comparison.sense == FASTER else line["measured"] <= comparison.target
        line["reached"] = reached
    return line


def _disturbed(comparison: Comparison, sides: Iterable[Result]) -> bool:
    """Whether a flooded client stood still: others used its core or the server's, and the times tell of them."""
    return comparison.ours.task.get("measure") == "flood" and comparison.figure == "wall_us" and any(
        statistics.median(side.each("wall_us")) > _STANDING * statistics.median(side.each("cpu_us"))
        for side in sides
        if side.problem is None and side.rounds
    )


def _figures(result: Result, comparison: Comparison) -> Optional[Dict[str, Any]]:
    if result.problem is not None or not result.rounds:
        return None
    names = [comparison.figure, *([comparison.beside] if comparison.beside else [])]
    return {name: {"median": statistics.median(result.each(name)), "rounds": result.each(name)} for name in names}


def _cells(line: Mapping[str, Any]) -> List[str]:
    sign = ">=" if line["sense"] == FASTER else "<="
    factor = "" if line["sense"] == AT_MOST else " x"
    target, measured, span = line["target"], line["measured"], line["range"]
    mark = "disturbed" if line["disturbed"] else {None: "", True: "ok", False: "MISSED"}[line["reached"]]
    return [
        line["beside"],
        "" if target is None else f"{sign} {target:g}{factor}",
        (line["problem"] or "") if measured is None else f"{measured:.2f}{factor}",
        "" if span is None else f"{span[0]:.2f}-{span[1]:.2f}",
        "" if line["by_cpu"] is None else f"{line['by_cpu']:.2f} x",
        mark,
        _amounts(line["ours"]),
        _amounts(line["peer"]),
    ]


def _amounts(figures: Optional[Mapping[str, Any]]) -> str:
    if figures is None:
        return ""
    (name, first), *others = figures.items()
    amounts = [f"{_rounded(first['median'])} {UNITS[name]}"]
    amounts += [f"({NAMES[other]} {_rounded(figure['median'])} {UNITS[other]})" for other, figure in others]
    return " ".join(amounts)


def _rounded(value: float) -> str:
    return f"{value:.2f}" if value < 100 else f"{value:,.0f}"


def _version(package: str) -> Optional[str]:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
