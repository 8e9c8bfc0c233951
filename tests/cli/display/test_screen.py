"""What the live screen draws, on a terminal of a known size."""

from __future__ import annotations

import io
import re
from decimal import Decimal

import pytest

from dbxsdk import Disconnected, Gap, Update
from dbxsdk.bybit.private.channels import WALLETS
from dbxsdk.bybit.public.channels import TRADES
from dbxsdk.bybit.public.ticker_models import read_contract_ticker
from dbxsdk.cli.display.ladder import WIDTH, ladder
from dbxsdk.cli.display.screen import Screen

rich_console = pytest.importorskip("rich.console")
cell_len = pytest.importorskip("rich.cells").cell_len


def console(width=80, height=24):
    return rich_console.Console(
        file=io.StringIO(), width=width, height=height, force_terminal=True, highlight=False, color_system=None
    )


def drawn(screen, where):
    """The last picture."""
    where.file.seek(0)
    where.file.truncate()
    screen._draw()
    return where.file.getvalue()


def update(channel, symbol, data, kind="update"):
    return Update("bybit", channel, symbol, kind, data, None, 1_700_000_000_123_456_789, {})


def ticker(symbol, **fields):
    return read_contract_ticker({"type": "snapshot", "cs": 1, "data": {"symbol": symbol, **fields}})


def trades(*prices):
    return TRADES.read([{"T": 1, "s": "BTCUSDT", "S": "Buy", "v": "0.5", "p": price, "i": "an-id"} for price in prices])


@pytest.fixture
def screen():
    where = console()
    screen = Screen("bybit publicTrade", 12, console=where)
    yield screen, where
    screen.close()


def test_what_happened_is_listed_newest_first(screen):
    screen, where = screen
    for number in range(40):
        assert screen.show("bybit", update("publicTrade", "BTCUSDT", trades(f"{60000 + number}.5")))
    text = drawn(screen, where)
    assert text.index("60039.5") < text.index("60038.5") and "60000.5" not in text  # as many as there is room for
    assert "40 updates in" in text and len(text.splitlines()) <= 24


def test_what_stands_has_one_row_a_symbol(screen):
    screen, where = screen
    for symbol in ("BTCUSDT", "ETHUSDT"):
        for price in ("1.5", "2.5"):
            screen.show("bybit", update("tickers", symbol, ticker(symbol, lastPrice=price)))
    text = drawn(screen, where)
    assert text.count("2.5") == 2 and "1.5" not in text and "changed" not in text


def test_one_row_is_upright(screen):
    screen, where = screen
    screen.show("bybit", update("tickers", "A", ticker("A", lastPrice="2.5", markPrice="2.6")))
    text = drawn(screen, where)
    assert "last_price" in text and "mark_price" in text and text.index("2.5") < text.index("mark_price")


WALLET = WALLETS.read([{
    "accountType": "UNIFIED", "totalEquity": "3", "totalWalletBalance": "3", "totalMarginBalance": "", "accountIMRate": "0",
    "coin": [{"coin": name, "equity": amount, "walletBalance": amount, "usdValue": "1"} for name, amount in (
        ("USDT", "1000000.5"), ("BTC", "20.25"), ("VERYLONGCOINNAME", "0.00000001"))],
}])


@pytest.mark.parametrize("width", [40, 60, 80, 100, 160])
def test_a_wallet_shows_its_balances_at_any_width(width):
    where = console(width, 30)
    screen = Screen("bybit:private wallet", 12, console=where)
    screen.show("bybit:private", update("wallet", "", WALLET))
    screen.show("bybit:private", update("wallet", "", WALLET))
    text = drawn(screen, where)
    words = text.split()
    screen.close()
    for word in ("1000000.5,", "20.25,", "0.00000001", "UNIFIED"):
        assert words.count(word) == 1, "one row, whole words"
    assert fits(text, width)


@pytest.mark.parametrize("width", range(40, 161, 20))
def test_a_table_has_whole_columns_and_leaves_out_what_is_too_wide(width):
    where = console(width)
    screen = Screen("bybit:linear publicTrade", 12, console=where)
    for size in ("0.5", "1" * 300):
        row = {"T": 1, "s": "BTCUSDT", "S": "Buy", "v": size, "p": "67998.5", "i": "2290000000061234567"}
        screen.show("bybit:linear", update("publicTrade", "BTCUSDT", TRADES.read([row])))
        text = drawn(screen, where)
        assert fits(text, width)
        assert "67998.5" in text
        assert ("0.5" in text.split()) == (width >= 60 and size == "0.5")
        assert ("2290000000061234567" in text) == (width >= 80), "it is behind the wide one"
    screen.close()


def fits(text, width):
    return "\u2026" not in text and max(map(cell_len, re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text).splitlines())) <= width


def test_long_events_are_wrapped_and_the_screen_keeps_its_height():
    where = console(40, 20)
    screen = Screen("bybit:linear publicTrade", 12, console=where)
    for number in range(40):
        screen.show("bybit:linear", update("publicTrade", "BTCUSDT", trades(f"{60000 + number}.5")))
        screen.show("bybit:linear", Disconnected("a reason of several words that is longer than the terminal is wide", 1006, 1.0))
    text = drawn(screen, where)
    screen.close()
    assert len(text.splitlines()) <= 20 and "60039.5" in text and fits(text, 40)
    assert text.split().count("reason") == 3


def test_events_do_not_count(screen):
    screen, where = screen
    assert not screen.show("bybit", Gap(("publicTrade.BTCUSDT",), 1.5, 0))
    text = drawn(screen, where)
    assert "gap of 1.50 s in publicTrade.BTCUSDT" in text and "0 updates" in text


def test_a_field_that_cannot_be_read_is_an_event(screen):
    screen, where = screen
    assert not screen.show("bybit", update("publicTrade", "BTCUSDT", trades("no price")))
    assert "BadFrame" in drawn(screen, where)


def test_a_ladder():
    where = console()
    bids = [(Decimal("99.5"), Decimal("1")), (Decimal("99.0"), Decimal("4"))]
    asks = [(Decimal("100.5"), Decimal("2")), (Decimal("101.0"), Decimal("1E-7")), (Decimal("102"), Decimal("3"))]
    where.print(ladder("BTCUSDT", bids, asks, 2))
    lines = where.file.getvalue().splitlines()
    prices = [word for line in lines for word in line.split() if word in ("101.0", "100.5", "1.0", "99.5", "99.0", "102")]
    assert prices == ["101.0", "100.5", "1.0", "99.5", "99.0"]
    assert any("0.0000001" in line for line in lines) and max(map(len, lines)) == WIDTH
    bars = {line.split()[1]: line.count("█") for line in lines if "█" in line}
    assert bars == {"100.5": 5, "99.5": 2, "99.0": 10}


@pytest.mark.parametrize("bids, asks", [([], []), ([(Decimal(1), Decimal(0))], [])])
def test_a_ladder_has_its_height_always(bids, asks):
    full = [(Decimal(number), Decimal(1)) for number in range(1, 6)]
    heights = set()
    for one, other in ((bids, asks), (full[::-1], full)):
        where = console()
        where.print(ladder("X", one, other, 4))
        heights.add(len(where.file.getvalue().splitlines()))
    assert len(heights) == 1


def test_a_stale_ladder_says_why():
    where = console()
    where.print(ladder("X", [], [], 1, stale="update 7 does not follow 5"))
    assert "X STALE: update 7" in " ".join(where.file.getvalue().split())
