"""The types of trade results: the venue filters by them, but names none in its results."""

from __future__ import annotations

from typing import Any, Mapping, Tuple

DIRECTIONS = ("buy", "sell")
EXITS = ("take_profit", "stop_loss", "trailing_stop")

TYPES: Tuple[str, ...] = tuple(
    f"{what}_{outcome}"
    for what in (
        *(f"{source}_{direction}" for source in ("swap", "limit", "follow") for direction in DIRECTIONS),
        *(f"{source}_{exit}" for source in ("swap", "follow") for exit in EXITS),
    )
    for outcome in ("success", "fail")
)
"""The documented ones. The page's list is incomplete in every available copy: there may be more."""


def types_of(result: Mapping[str, Any]) -> Tuple[str, ...]:
    """Return the types that ``result`` (the wire's object) may have: usually one; none if it is not known.

    There is more than one if the venue's own samples contradict themselves: failures were seen with the
    ``type`` ``"fail"``, which hides the direction, and with the ``state`` ``"done"``, which says success.
    """
    outcomes = _outcomes(result)
    return tuple(f"{what}_{outcome}" for what in _subjects(result) for outcome in outcomes)


def _outcomes(result: Mapping[str, Any]) -> Tuple[str, ...]:
    state = result.get("state")
    if state == "done":
        return ("success", "fail") if result.get("errorCode") else ("success",)
    # An order that expired was not carried out: those who subscribe failures want it.
    return ("fail",) if state in ("fail", "expired") else ()


def _subjects(result: Mapping[str, Any]) -> Tuple[str, ...]:
    # Take profit and stop loss come with the source limit_order: the subsource takes precedence.
    exit_of = result.get("subSource")
    if isinstance(exit_of, str) and exit_of:
        return (exit_of,)
    source = result.get("source")
    if not isinstance(source, str) or not source.endswith("_order"):
        return ()
    source = source[: -len("_order")]
    direction = result.get("type")
    directions = (direction,) if direction in DIRECTIONS else DIRECTIONS
    # No page names a type for what a sniper traded, and one sample has it among the fast trades.
    sources = ("swap", source) if source == "snipe" else (source,)
    return tuple(f"{source}_{direction}" for source in sources for direction in directions)
