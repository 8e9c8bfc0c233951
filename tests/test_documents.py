"""What the README and the guide name is there: clients, exceptions, events, options, models, channels, methods."""

from __future__ import annotations

import builtins
import functools
import re
import typing
from typing import Any, List, Set

import attrs
import pytest

import dbxsdk.book.rule
import dbxsdk.bybit
import dbxsdk.cryptomus
import dbxsdk.dbot
import dbxsdk.digifinex.models
import dbxsdk.digifinex.swap
import dbxsdk.protocol
import dbxsdk.sim
from dbxsdk import events
from dbxsdk.options import OVERFLOW_POLICIES
from dbxsdk.sim import BybitVenue, CryptomusVenue, DBotVenue, DigiFinexVenue
from tests import documents
from tests.documents import GUIDE, ROOT

PATHS = [ROOT / "README.rst", *(path for path in sorted(GUIDE.glob("*.rst")) if path.stem != "index")]
TEXTS = {path.stem: path.read_text("utf-8") for path in PATHS}
EVERYTHING = "\n".join(TEXTS.values())

FOREIGN = {
    *("AppConfig", "DataFrame", "Decimal", "DictWriter", "WebSocket", "WebSocketApp", "WebSocketTrading"),
    *("WebsocketSpreadTrading", "DBXSDK_PROXY_PASSWORD", "LEVEL", "GRANULARITY", "NetworkError", "ExchangeError"),
    *("pandas", "csv", "manage", "time_ns", "bybitgeorgia", "com", "vip", "stream", "testnet", "openapi", "fork"),
    *("websocket", "orjson", "gevent", "__main__", "Certificates", "Scripts", "sphinx", "compinit", "bashrc", "zshrc"),
    *("_ms", "_ns", "start_http_server", "plot", "bars", "read_parquet"),
}
"""Names that are not ours: of other packages, systems and addresses."""


@functools.lru_cache(maxsize=None)
def tables() -> List[Any]:
    return [table for text in TEXTS.values() for table in documents.tables(documents.tree(text))]


def column(head: str, *others: str) -> List[List[str]]:
    """The names in the first column of every table with these heads: one list for each."""
    found = [[row[head].strip("`") for row in rows] for rows in tables() if {head, *others} <= set(rows[0])]
    assert found
    return found


def public(kind: type) -> Set[str]:
    found = {name: getattr(dbxsdk, name) for name in dbxsdk.__all__}
    return {name for name, each in found.items() if isinstance(each, type) and issubclass(each, kind)}


def test_tables_have_every_exception_event_state_and_counter() -> None:
    (exceptions,) = column("exception", "retry safe?")
    # The roots of the tree, the batch's own and ServerFailed stand in the text.
    assert public(Exception) - set(exceptions) == {"BatchFailed", "DbxError", "OutcomeUnknown", "ServerFailed", "TransportError"}
    assert set(exceptions) <= public(Exception) and all(name in EVERYTHING for name in public(Exception))
    known = sorted(kind.__name__ for kind in typing.get_args(events.Event))
    assert [sorted(names) for names in column("event")] == [known, known]
    assert [sorted(names) for names in column("``client.state``")] == [sorted(dbxsdk.State)]
    assert column("``client.stats()``") == [[field.name for field in attrs.fields(dbxsdk.Stats)]]
    (policies,) = (rows for rows in tables() if rows[0].get("0") == '``"block"``')
    assert tuple(row["0"].strip('`"') for row in policies) == OVERFLOW_POLICIES


def test_options_are_named_as_they_are() -> None:
    fields = {field.name for field in attrs.fields(dbxsdk.Options)}
    inside = " ".join(re.findall(r"Options\(([^)]*)\)", EVERYTHING))
    named = set(re.findall(r"``Options\.(\w+)", EVERYTHING)) | set(re.findall(r"(\w+)=", inside))
    assert len(named) > 8 and named <= fields


@pytest.fixture(scope="module")
def in_the_code() -> Set[str]:
    """Every word of the code; docstrings and comments are none."""
    found = set(dir(builtins))
    for path in (ROOT / "dbxsdk").rglob("*.py"):
        code = re.sub(r'""".*?"""|#.*?$', "", path.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
        found.update(re.findall(r"\w+", code))
    # Files and folders of this repository.
    here = [*ROOT.glob("*.*"), *(path for top in ("samples", "tests", ".github") for path in (ROOT / top).rglob("*"))]
    return found | set(re.findall(r"\w+", " ".join(path.relative_to(ROOT).as_posix() for path in here)))


@pytest.mark.parametrize("page", sorted(set(TEXTS) - {"migrating"}))
def test_methods_and_fields_are_named_as_they_are(page: str, in_the_code: Set[str]) -> None:
    """Words with an underscore, calls, and what has a dot: whatever is meant, it is a name somewhere in the code."""
    literals = {" ".join(each.split()) for each in re.findall(r"``([^`]+)``", TEXTS[page])}
    meant = [each for each in literals if re.fullmatch(r'[\w.]*(_|\(|\.)[\w.]*[\w(=", ).]*', each)]
    words = set(re.findall(r"\b[A-Za-z_]\w+", " ".join(meant)))
    assert words - in_the_code - FOREIGN == set()


def test_models_and_events_are_named_as_they_are() -> None:
    modules = (
        dbxsdk,
        dbxsdk.bybit,
        dbxsdk.cryptomus,
        dbxsdk.dbot,
        dbxsdk.digifinex.models,
        dbxsdk.digifinex.swap,
        dbxsdk.sim,
        dbxsdk.protocol,
        dbxsdk.book.rule,
        builtins,
    )
    # CamelCase words in literals, without the capitals of placeholders.
    named = {word for word in re.findall(r"``([A-Z][A-Za-z]+)[``(.]", EVERYTHING) if not word.isupper()}
    assert len(named) > 60
    assert named - FOREIGN.union(*map(dir, modules)) == set()


def test_channels_are_named_as_they_are() -> None:
    from dbxsdk.bybit.private.channels import CHANNELS as PRIVATE
    from dbxsdk.cryptomus.protocol import CHANNELS as CRYPTOMUS
    from dbxsdk.dbot.data.protocol import KINDS as DBOT
    from dbxsdk.digifinex.swap.channels import KINDS as SWAPS

    for channel in (*PRIVATE, *CRYPTOMUS, *DBOT, *SWAPS, "tradeResults"):
        if not channel.startswith("rfq."):  # all of these in one word
            assert f"``{channel}``" in TEXTS["venues"] or f"``{channel}." in TEXTS["venues"], channel


def test_methods_of_local_venues_are_there() -> None:
    text = TEXTS["local_venues"]
    text = text[text.index("Venues misbehave"):]
    names = re.findall(r"``([a-z_]+)``", text[:text.index("With ``rate=0``")])
    venues = (DigiFinexVenue, BybitVenue, CryptomusVenue, DBotVenue)
    assert len(names) > 15
    assert [name for name in names if not any(hasattr(venue, name) for venue in venues)] == []
