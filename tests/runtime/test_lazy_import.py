"""Names of the package and its modules are there without having been imported, and cost nothing before."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import dbxsdk


def run(code: str, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-W", "error", "-c", code, *arguments], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    "name",
    ["errors.DbxError", "events.Gap", "bybit.Trade", "digifinex.client.MAINLAND_URL", "digifinex.swap.URL", "dbot.TYPES",
     "options.Options"],
)
def test_modules_are_attributes_as_if_all_had_been_imported(name: str) -> None:
    assert run(f"import dbxsdk; dbxsdk.{name}; print('there')") == "there"


def test_only_what_is_used_is_loaded() -> None:
    code = "import sys, dbxsdk; dbxsdk.DigiFinexClient; print(*(name for name in sys.modules if name.startswith('dbxsdk.')))"
    loaded = run(code).split()
    assert "dbxsdk.digifinex.client" in loaded and "dbxsdk.digifinex.swap" not in loaded
    assert not [name for name in loaded if "bybit" in name or "dbot" in name or "cryptomus" in name or "sim" in name]
    assert "requests" not in run("import sys, dbxsdk; dbxsdk.BybitPublicClient; print(*sys.modules)").split()


def test_every_public_name_is_there_and_no_other() -> None:
    for name in dbxsdk.__all__:
        assert getattr(dbxsdk, name) is not None and name in dir(dbxsdk)
    with pytest.raises(AttributeError, match="'dbxsdk' has no attribute 'nothing'"):
        dbxsdk.nothing  # type: ignore[attr-defined]  # noqa: B018


DIR = """
import json, sys, dbxsdk.sim, dbxsdk.cli.main, dbxsdk.metrics
shown = {}
for package in sys.argv[1:]:
    it = __import__(package, fromlist=["it"])
    for name in it.__all__:
        getattr(it, name)
    shown[package] = [name for name in dir(it) if name not in it.__all__ and not name.startswith("__")]
print(json.dumps(shown))
"""


def test_dir_shows_what_a_package_exports_and_nothing_that_it_imports() -> None:
    shown = {"dbxsdk": "bybit cryptomus dbot digifinex errors events metrics recording sim".split(), "dbxsdk.digifinex": ["swap"]}
    for package in ("dbxsdk.bybit", "dbxsdk.cryptomus", "dbxsdk.dbot", "dbxsdk.digifinex.swap"):
        shown[package] = []
    assert json.loads(run(DIR, *shown)) == shown
