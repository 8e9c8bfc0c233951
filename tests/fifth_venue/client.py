"""``AtollClient``: what users call."""

from __future__ import annotations

from decimal import Decimal
from typing import Optional, Union

from dbxsdk.arguments import check_word
from dbxsdk.book.order_book import OrderBook
from dbxsdk.client import Client
from dbxsdk.errors import ProtocolError
from dbxsdk.options import Options
from tests.fifth_venue.book import AtollBookRule
from tests.fifth_venue.protocol import AtollProtocol

URL = "wss://atoll.invalid/socket"


class AtollClient(Client):
    """Atoll's market data (``trades``, ``book``), and with a key orders and the channel ``fills``."""

    def __init__(
        self,
        api_key: Optional[str] = None,
        api_secret: Optional[str] = None,
        *,
        url: Optional[str] = None,
        options: Optional[Options] = None,
    ) -> None:
        super().__init__(AtollProtocol(api_key, api_secret), URL if url is None else url, options=options)

    def order_book(self, symbol: str, *, timeout: Optional[float] = None) -> OrderBook:
        """A book kept current out of ``book``; see ``OrderBook``."""
        symbol = check_word("symbol", symbol).upper()
        return self._order_book("book", symbol, symbol, AtollBookRule(), timeout)

    def server_time(self, timeout: Optional[float] = None) -> int:
        """The venue's clock in ms since 1970. Safe to retry. Raises what ``call`` raises."""
        moment = self.call("time", timeout=timeout)
        if type(moment) is not int:
            raise ProtocolError("time was not answered with a time")
        return moment

    def buy(self, symbol: str, size: Union[str, int, Decimal], timeout: Optional[float] = None) -> str:
        """A market order; returns its id. Raises what ``call`` raises; ``OutcomeUnknown``: ask the venue first."""
        params = {"symbol": check_word("symbol", symbol), "way": "buy", "qty": f"{Decimal(size):f}"}
        return str(self.call("order", params, timeout=timeout))
