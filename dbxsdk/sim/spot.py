"""``SpotVenue``: what the local venues with one spot market and one scripted account share."""

from __future__ import annotations

from typing import Any, ClassVar, Collection, Dict, List, Tuple, Type

from dbxsdk.sim.market.market import Instrument, Market, Trade, instrument
from dbxsdk.sim.scripted_account import Event, ScriptedAccount
from dbxsdk.sim.venue import Venue, check_symbols

_ACCOUNT_SECONDS = 1.0


class SpotVenue(Venue):
    """A venue whose symbols are of the form ``BASE_QUOTE``, and whose account takes a step once a second."""

    account_class: ClassVar[Type[ScriptedAccount]]
    account_unit_us: ClassVar[int]
    """The account's unit of time, in microseconds."""

    def __init__(self, *, symbols: Collection[str], **options: Any) -> None:
        super().__init__(**options)
        instruments = [_instrument(symbol) for symbol in check_symbols(symbols)]
        self._market = Market(instruments, seed=self._seed, start_us=self._start_us)
        self._account = self.account_class(self._market, self._seed)
        self._last_trades: Dict[str, List[Trade]] = {}
        self._account_events: List[Event] = []

    @property
    def symbols(self) -> Tuple[str, ...]:
        """What is traded."""
        return tuple(self._market.instruments)

    def trades(self, symbol: str) -> List[Trade]:
        """Return the recent trades, oldest first."""
        with self._lock:
            return list(self._market.symbols[symbol].history)

    def _advance(self, now_us: int) -> None:
        self._last_trades = self._market.step(now_us)
        self._account_events = self._account.act(now_us // self.account_unit_us) if self._each(_ACCOUNT_SECONDS) else []


def _instrument(symbol: str) -> Instrument:
    base, underscore, quote = symbol.partition("_")
    if not (base and underscore and quote):
        raise ValueError(f"symbols must be of the form BASE_QUOTE, not {symbol!r}")
    return instrument(symbol, base, quote)
