"""The one account of the local Cryptomus venue: a course of limit orders, with deals and balances that add up.

Orders are filled in two parts, or cancelled, at their own price; they do not rest in the market's book. What an order
can cost is taken out of the balance when it is created, and what is left of that comes back when it is cancelled.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Dict, Iterator, List

from dbxsdk.sim.market.market import Market
from dbxsdk.sim.scripted_account import Event, ScriptedAccount

FEE = Decimal("0.001")

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PART = Decimal(1) / 2


class Account(ScriptedAccount):
    """Balances by currency, and the orders that change them. Times are seconds since 1970."""

    def __init__(self, market: Market, seed: int) -> None:
        super().__init__(market, seed)
        self.balances: Dict[str, Decimal] = {}
        self._wallets: Dict[str, str] = {}
        for instrument in market.instruments.values():
            for currency, amount in ((instrument.base, "1000"), (instrument.quote, "10000000")):
                self.balances.setdefault(currency, Decimal(amount))
                self._wallets.setdefault(currency, self._id())

    def is_open(self, order: Dict[str, Any]) -> bool:
        return "finishTs" not in order

    def _live(self) -> Iterator[List[Event]]:
        while True:
            for symbol in tuple(self._market.instruments):
                for direction, fills in (("buy", 2), ("sell", 2), ("buy", 0), ("sell", 1)):
                    yield from self._order(symbol, direction, fills)

    def _order(self, symbol: str, direction: str, fills: int) -> Iterator[List[Event]]:
        instrument, price = self._price(symbol, direction == "buy")
        quantity = self._quantity(instrument)
        pays, gets = (instrument.quote, instrument.base) if direction == "buy" else (instrument.base, instrument.quote)
        cost = quantity * price if direction == "buy" else quantity
        created, order_id = self._now, self._id()
        fills_so_far: List[Dict[str, Any]] = []
        deal_id = self._id()
        client_oid = f"local-{self._rng.randrange(10**6)}" if fills == 1 else None

        def state(kind: str, filled: Decimal, **more: Any) -> Event:
            info = {
                "id": order_id,
                "symbol": symbol,
                "orderType": "limit",
                "direction": direction,
                "price": as_text(price),
                "quantity": as_text(quantity),
                "value": as_text(quantity * price),
                "filledQuantity": as_text(filled),
                "filledValue": as_text(filled * price),
                "clientOid": client_oid,
                "createTs": created,
                **more,
            }
            self._note({**info, "fills": fills_so_far, "dealId": deal_id})
            # The ids of the documents' examples.
            return Event("order", symbol, {"type": kind, "info": info}, "1" if kind == "created" else "3")

        yield [state("created", Decimal(0)), self._move(pays, -cost)]
        filled = Decimal(0)
        for number in range(1, fills + 1):
            part = quantity * _PART
            filled += part
            gain = part if direction == "buy" else part * price
            fee = gain * FEE
            last = number == 2
            deal = self._deal(symbol, price, part, fee, gets, deal_id)
            names = ("tradeRole", "filledPrice", "filledQuantity", "filledValue", "fee", "feeCurrency", "committedAt")
            fill = {name: deal.data["info"][name] for name in names}
            fills_so_far = [*fills_so_far, {"id": deal.data["info"]["transactionId"], **fill}]
            what = state("finished", filled, **self._end("completed", "filled")) if last else None
            yield [
                deal,
                self._move(gets, gain - fee),
                what or state("updated", filled, updateTs=self._now),
            ]
        if fills < 2:
            # How a cancelled order ends is not documented: these words are an assumption.
            ended = state("finished", filled, **self._end("cancelled", "cancelled"))
            yield [ended, self._move(pays, cost * (1 - filled / quantity))]

    def _end(self, state: str, internal_state: str) -> Dict[str, Any]:
        return {"finishTs": self._now, "state": state, "internalState": internal_state}

    def _deal(
        self, symbol: str, price: Decimal, quantity: Decimal, fee: Decimal, fee_currency: str, deal_id: str
    ) -> Event:
        info = {
            "dealId": deal_id,
            "symbol": symbol,
            "dealState": "completed",
            "transactionId": self._id(),
            "filledPrice": as_text(price),
            "filledQuantity": as_text(quantity),
            "filledValue": as_text(price * quantity),
            "fee": as_text(fee),
            "feeCurrency": fee_currency,
            "tradeRole": "maker",
            "committedAt": self._now,
        }
        return Event("deal", symbol, {"info": info}, "4")

    def _move(self, currency: str, change: Decimal) -> Event:
        old = self.balances[currency]
        new = self.balances[currency] = old + change
        info = {
            "walletId": self._wallets[currency],
            "currencyCode": currency,
            "amount": as_text(abs(change)),  # without a sign, as in the documents' example
            "oldBalance": as_text(old),
            "newBalance": as_text(new),
        }
        return Event("balance", currency, {"info": info}, "4")

    def _id(self) -> str:
        return ulid(self._now * 1000, self._rng.getrandbits(80))


def ulid(time_ms: int, number: int) -> str:
    """Return an id that begins with a time, as the venue's do."""
    value, letters = time_ms << 80 | number, ""
    for _ in range(26):
        value, letter = divmod(value, 32)
        letters = _ALPHABET[letter] + letters
    return letters


def as_text(number: Decimal) -> str:
    """Format with 16 places, like all numbers of the account."""
    return format(number, ".16f")
