"""The notebook runs, and its client's cell, run again, leaves one client."""

from __future__ import annotations

import copy
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict

import pytest

ROOT = Path(__file__).parents[2]
NEEDED = ("nbconvert", "ipykernel", "pandas")
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]

COUNT = """
import threading
readers = [thread.name for thread in threading.enumerate() if thread.name.endswith("-reader") and "-sim-" not in thread.name]
print("readers:", readers, "updates:", len(updates) > 0)
"""


def notebook() -> Dict[str, Any]:
    found: Dict[str, Any] = json.loads((ROOT / "samples/notebook.ipynb").read_text("utf-8"))
    return found


def test_it_is_kept_without_outputs() -> None:
    cells = [cell for cell in notebook()["cells"] if cell["cell_type"] == "code"]
    assert len(cells) > 4 and all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells)


@pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")
def test_it_runs_and_a_cell_run_again_leaves_one_client(tmp_path: Path) -> None:
    document = notebook()
    (made,) = (number for number, cell in enumerate(document["cells"]) if "venue.client(" in cell["source"])
    count = {**copy.deepcopy(document["cells"][made]), "id": "count", "source": COUNT}
    document["cells"][made + 1:made + 1] = [{**document["cells"][made], "id": "again"}, count]
    (tmp_path / "run.ipynb").write_text(json.dumps(document))
    done = subprocess.run(
        [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", "run.ipynb", "--output", "done.ipynb"],
        cwd=tmp_path, capture_output=True, text=True, timeout=55,
        env={**os.environ, "PYTHONPATH": str(ROOT), "JUPYTER_CONFIG_DIR": str(tmp_path), "IPYTHONDIR": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    cells = json.loads((tmp_path / "done.ipynb").read_text("utf-8"))["cells"]
    shown = {cell["id"]: "".join(map(text, cell.get("outputs", []))) for cell in cells}
    first = document["cells"][made]["id"]
    assert "BybitPublicClient bybit:linear" in shown[first] and "<table>" in shown[first]
    assert "publicTrade.BTCUSDT" in shown["again"]
    assert "readers: ['dbxsdk-bybit:linear-reader']" in shown["count"]
    everything = " ".join(shown.values())
    for each in ("OrderBook bybit:linear BTCUSDT", "time_ms", "open"):
        assert each in everything
    assert "ended: the client is closed" in shown[cells[-1]["id"]]


def text(output: Dict[str, Any]) -> str:
    data = output.get("data", {"text/plain": output.get("text", "")})
    return "\n".join("".join(each) for each in data.values())
