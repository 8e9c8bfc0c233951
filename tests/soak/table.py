"""The result of a soak, for people."""

from __future__ import annotations

from typing import Any, Dict, List, Sequence

_COLUMNS = (
    ("venue", "venue"),
    ("minutes", "minutes"),
    ("clients", "clients"),
    ("connections", "connections"),
    ("gaps", "gaps"),
    ("sent", "sent"),
    ("delivered", "delivered"),
    ("dropped", "dropped"),
    ("in_gaps", "in gaps"),
    ("outside", "outside"),
    ("repeated", "repeated"),
    ("books", "books"),
    ("orders", "orders"),
)

_MEMORY = (
    ("memory_kib", "resident, KiB"),
    ("allocated_kib", "allocated by malloc, KiB"),
    ("blocks", "Python's blocks in use"),
)


def progress(told: Dict[str, Any]) -> str:
    """One line while it goes on: a violation, or how far it is."""
    if told["type"] == "violation":
        return f"{told['at']:7.1f} s  VIOLATION {told['what']}"
    return (
        f"{told['seconds']:7.1f} s  {told['updates']:,} updates, {told['faults']} faults, {told['requests']:,} requests, "
        f"{told['forks']} forks, {told['checks']} checks, {told['memory_kib'] or '-'} KiB; "
        f"{told['outside']} missing outside of gaps, {told['problems']} violations"
    )


def text(told: Dict[str, Any]) -> str:
    venues: List[Dict[str, Any]] = told["venues"]
    outcomes = list(venues[0]["requests"]) if venues else []
    kinds = sorted({kind for row in venues for kind in row["faults"]})
    lines = [
        f"seed {told['seed']}, {told['seconds'] / 60:.2f} minutes{', interrupted' if told['interrupted'] else ''}",
        "",
        *_rows([title for _, title in _COLUMNS], [[row[name] for name, _ in _COLUMNS] for row in venues]),
        "",
        "requests by outcome; orders among them that the venue carried out",
        "",
        *_rows(
            ["venue", *outcomes, "carried out"],
            [[row["venue"], *row["requests"].values(), row["orders_carried_out"]] for row in venues],
        ),
        "",
        "faults",
        "",
        *_rows(
            ["fault", *(row["venue"] for row in venues)],
            [[kind, *(row["faults"].get(kind, "-") for row in venues)] for kind in kinds],
        ),
        "",
        f"forks {told['forks']}; checks {told['checks']}; frames recorded {told['recorded_frames']:,}",
        f"threads {told['threads'][0]} before, {told['threads'][1]} after; "
        f"descriptors {told['descriptors'][0]} before, {told['descriptors'][1]} after",
        "",
        *_memory(told),
        "",
        f"{told['violations']} violations" if told["violations"] else "no violation",
    ]
    return "\n".join(lines + [f"  {each['at']:8.2f} s  {each['what']}" for each in told["told"]])


def _memory(told: Dict[str, Any]) -> List[str]:
    lines = []
    for name, title in _MEMORY:
        slope = told["slopes"][name]
        if slope is not None and told[name][0] >= 0:
            lines.append([title, told[name][0], told[name][-1], f"{slope[0]:+,.1f}", f"{slope[1]:,.1f}"])
    head = ["memory", "first check", "last check", "a minute, over the last two thirds", "standard error"]
    return _rows(head, lines) if lines else ["memory: too few readings"]


def _rows(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> List[str]:
    cells = [list(head), *[[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    return ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in cells]
