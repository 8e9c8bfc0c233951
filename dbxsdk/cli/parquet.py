"""A recording's updates as the rows of one Parquet file, as ``Update.records`` has them. Imports ``pyarrow``.

The columns are those of all channels together, empty where a row's channel does not have them. They and their types are known
once all rows were seen, so the recording is played twice: memory is bounded whatever its length.
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import importlib
import os
import threading
from decimal import Decimal
from typing import Any, Callable, Dict, List, Tuple, Union

import attrs

from dbxsdk.cli.errors import Failed, NotInstalled
from dbxsdk.cli.recorded_clients import recorded_clients
from dbxsdk.cli.rendering import plain, to_line
from dbxsdk.errors import DbxError, ProtocolError
from dbxsdk.events import BadFrame, Gap
from dbxsdk.models import Update
from dbxsdk.playback import Replayed, replay
from dbxsdk.recording import read

BATCH = 20_000
"""Rows that are kept in memory, and in one row group of the file."""

Kind = Union[None, str, Tuple[str, Any]]
"""A column's type: ``"bool"``, ``"int"``, ``"float"``, ``"time"``, ``"text"``, ``("list", kind)``; None while it has no value."""

Row = Dict[str, Any]


@attrs.define
class Written:
    """What a conversion wrote: ``gaps`` and ``bad_frames`` are places where rows are missing."""

    path: str
    rows: int = 0
    gaps: int = 0
    bad_frames: int = 0


def write_parquet(recording: str, path: str, *, exact: bool, shown: Callable[[str], None]) -> Tuple[Written, Replayed]:
    """Write all that was subscribed in ``recording`` to the new file ``path``. ``exact``: prices as texts, digit by digit, not as
    floats. ``shown`` is given words of progress.

    Raises:
        NotInstalled: pyarrow is not installed.
        FileExistsError: there is such a file.
        Failed: there are no updates in the recording.
    """
    try:
        pyarrow = importlib.import_module("pyarrow")
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise NotInstalled("--parquet", "parquet") from None
    if os.path.exists(path):
        raise FileExistsError(f"{path} exists already")
    columns: Dict[str, Kind] = {}

    def look(row: Row) -> None:
        for name, value in row.items():
            columns[name] = unite(columns.get(name), kind_of(value))

    found, _ = _play(recording, path, exact, look, lambda rows: shown(f"{rows:,} updates found"))
    if not found.rows:
        raise Failed("nothing was subscribed in this recording, or nothing came")
    schema = pyarrow.schema([(name, _arrow(pyarrow, kind)) for name, kind in columns.items()])
    unfinished = f"{path}.part"
    batch: List[Row] = []
    with contextlib.ExitStack() as stack:
        stack.callback(_remove, unfinished)
        writer = stack.enter_context(parquet.ParquetWriter(unfinished, schema))

        def write() -> None:
            arrays = {name: [fit(row.get(name), kind) for row in batch] for name, kind in columns.items()}
            writer.write_table(pyarrow.Table.from_pydict(arrays, schema=schema))
            batch.clear()

        def keep(row: Row) -> None:
            batch.append(row)
            if len(batch) >= BATCH:
                write()

        written, played = _play(recording, path, exact, keep, lambda rows: shown(f"{rows:,} of {found.rows:,} rows written"))
        if batch:
            write()
        writer.close()
        os.replace(unfinished, path)
    return written, played


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.remove(path)


def _play(
    recording: str, path: str, exact: bool, take: Callable[[Row], None], shown: Callable[[int], None]
) -> Tuple[Written, Replayed]:
    counted = Written(path)
    failures: List[BaseException] = []
    turn = threading.Lock()  # each client has a callbacks thread of its own

    def rows(update: Update[Any]) -> None:
        with turn:
            if failures:
                return
            try:
                records = update.records(floats=not exact, times=True)
            except ProtocolError:  # fields are read when they are looked at
                counted.bad_frames += 1
                return
            try:
                for record in records:
                    take(record)
            except BaseException as error:  # noqa: B036 - raised again, by the main thread
                failures.append(error)
            counted.rows += len(records)

    def event(event: Any) -> None:
        with turn:
            counted.gaps += isinstance(event, Gap)
            counted.bad_frames += isinstance(event, BadFrame)

    with read(recording) as reader:
        recorded = recorded_clients(reader, lambda: None)
    with replay(recording, speed=None) as playing:
        for client, each in zip(playing.clients, recorded):  # noqa: B905 - one of the other
            client.on_event(event)
            for selection in each.selections:
                with contextlib.suppress(TypeError, ValueError, DbxError):  # of converted frames: not a subscription of ours
                    client.subscribe(selection.channel, selection.symbols, callback=rows)
        playing.start()
        done = None
        while done is None:
            done = playing.wait(0.25)
            shown(counted.rows)
    if failures:
        raise failures[0]
    return counted, done


def kind_of(value: Any) -> Kind:
    """Return the type of a column that has this value alone."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int" if -(1 << 63) <= value < 1 << 63 else "text"
    if isinstance(value, float):
        return "float"
    if isinstance(value, datetime.datetime):
        return "time"
    if isinstance(value, (list, tuple)) and not any(isinstance(each, dict) for each in value):
        return "list", functools.reduce(unite, map(kind_of, value), None)
    return "text"


def unite(one: Kind, other: Kind) -> Kind:
    """Return the type of a column that has values of both: texts take all."""
    if one is None or one == other:
        return other
    if other is None:
        return one
    if {one, other} == {"int", "float"}:
        return "float"
    if isinstance(one, tuple) and isinstance(other, tuple):
        return "list", unite(one[1], other[1])
    return "text"


def fit(value: Any, kind: Kind) -> Any:
    """Return ``value`` as one of a column of this type."""
    if value is None or kind is None:
        return None
    if isinstance(kind, tuple):
        return [fit(each, kind[1]) for each in value]
    if kind == "float":
        return float(value)
    if kind != "text" or isinstance(value, str):
        return value
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    return format(value, "f") if isinstance(value, Decimal) else to_line(plain(value))


def _arrow(pyarrow: Any, kind: Kind) -> Any:
    if isinstance(kind, tuple):
        return pyarrow.list_(_arrow(pyarrow, kind[1]))
    types = {
        "bool": pyarrow.bool_(),
        "int": pyarrow.int64(),
        "float": pyarrow.float64(),
        "time": pyarrow.timestamp("us", tz="UTC"),
        "text": pyarrow.string(),
        None: pyarrow.null(),
    }
    return types[kind]
