"""The benchmarks work: every row whose packages are here, with a handful of messages. What they measure is not judged."""

from __future__ import annotations

import json
from typing import Any, Dict, List

import pytest

from tests.benchmarks import table
from tests.benchmarks.__main__ import main, run
from tests.benchmarks.rows import FASTER, TINY, Comparison, Row, rows
from tests.benchmarks.running import Measurement, Result


@pytest.fixture(scope="module")
def told() -> Dict[str, Any]:
    """All rows, as they go into the JSON document."""
    chosen = rows(TINY)
    told = table.document(chosen, run(chosen, fresh=False), "tiny")
    return json.loads(json.dumps(told, allow_nan=False))  # type: ignore[no-any-return]


def test_every_row_is_measured_or_lacks_a_package(told: Dict[str, Any]) -> None:
    lines: List[Dict[str, Any]] = told["rows"]
    assert list(dict.fromkeys(line["row"] for line in lines)) == list(rows(TINY))
    for line in lines:
        if line["problem"] is not None:
            assert "not installed: " in line["problem"], line
            assert line["measured"] is None or line["ours"], line
            continue
        for side in (line["ours"], line["peer"]):
            assert line["figure"] in side
            for figure in side.values():
                assert len(figure["rounds"]) == 1
        if line["row"] not in ("idle", "kept"):  # in one process with all the others, memory tells nothing
            assert line["measured"] > 0, line
        if line["target"] is not None:
            assert line["disturbed"] is (line["reached"] is None)


def test_rows_that_need_no_extra_are_measured(told: Dict[str, Any]) -> None:
    pytest.importorskip("trustme")
    stdlib, = (line for line in told["rows"] if line["row"] == "stdlib")
    assert stdlib["problem"] is None
    assert stdlib["ours"]["wall_us"]["median"] > 0


def test_the_table_has_every_row_and_says_where_it_was_made(told: Dict[str, Any]) -> None:
    text = table.text(told)
    for name, row in rows(TINY).items():
        assert f"\n{name}: {row.title}\n" in text
        for comparison in row.comparisons:
            assert comparison.label in text
    assert told["machine"]["cpu"] in text
    assert told["machine"]["placement"] in text
    assert f"attrs {told['machine']['packages']['attrs']}" in text


def test_a_peer_that_is_not_installed_is_told() -> None:
    ours, peer = Measurement(()), Measurement(("no_such_client",), code="1 / 0")
    row = Row("title", (Comparison("a peer", ours, peer, FASTER, 2.0),), 1)
    assert peer.missing() == ["no_such_client"]
    results = {ours: Result([{"wall_us": 1.0, "cpu_us": 1.0}]), peer: Result(problem="not installed: no_such_client")}
    line, = table.document({"name": row}, results, "tiny")["rows"]
    assert (line["measured"], line["reached"], line["peer"]) == (None, None, None)
    assert "not installed: no_such_client" in table.text(table.document({"name": row}, results, "tiny"))


def test_targets_are_compared_in_their_sense() -> None:
    def line(ours_us: float, peer_us: float, sense: str, target: float) -> Dict[str, Any]:
        ours, peer = Measurement(()), Measurement(())
        row = Row("title", (Comparison("a peer", ours, peer, sense, target),), 2)
        results = {ours: Result(_rounds(ours_us)), peer: Result(_rounds(peer_us))}
        return table.document({"name": row}, results, "tiny")["rows"][0]  # type: ignore[no-any-return]

    assert line(2.0, 5.0, "faster", 2.5)["measured"] == 2.5
    assert line(2.0, 5.0, "faster", 2.5)["reached"] is True
    assert line(2.0, 5.0, "faster", 2.6)["reached"] is False
    assert line(3.0, 2.0, "within", 1.5)["reached"] is True
    assert line(3.0, 2.0, "within", 1.4)["reached"] is False
    assert line(3.0, 9.0, "at most", 3.0)["measured"] == 3.0
    assert line(3.0, 9.0, "at most", 2.9)["reached"] is False


def _rounds(wall_us: float) -> List[Dict[str, float]]:
    return [{"wall_us": wall_us, "cpu_us": 1.0}] * 2


def test_a_client_that_stood_still_is_not_judged() -> None:
    def line(ours_us: float, peer_us: float) -> Dict[str, Any]:
        ours, peer = Measurement((), {"measure": "flood"}), Measurement((), {"measure": "flood"})
        row = Row("title", (Comparison("a peer", ours, peer, FASTER, 1.5),), 2)
        results = {ours: Result(_rounds(ours_us)), peer: Result(_rounds(peer_us))}
        return table.document({"name": row}, results, "tiny")["rows"][0]  # type: ignore[no-any-return]

    undisturbed, disturbed = line(1.0, 1.1), line(1.0, 3.0)
    assert (undisturbed["disturbed"], undisturbed["reached"]) == (False, False)
    assert (disturbed["disturbed"], disturbed["reached"], disturbed["by_cpu"]) == (True, None, 1.0)


def test_rows_that_do_not_exist_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--tiny", "no-such-row"])
    assert "no-such-row" in capsys.readouterr().err
