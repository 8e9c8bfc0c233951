"""HTML for notebooks: what the ``_repr_html_`` of clients, books, subscriptions and accounts returns.

What a venue wrote is cleaned and escaped. No style sheets: a notebook has its own, light or dark.
"""

from __future__ import annotations

from typing import Any, Iterable, List, Mapping, Sequence

import attrs

from dbxsdk.cleaning import clean

_LEVELS = 5
"""Of a book, a side."""
_ROWS = 20
"""Of an account, a table."""
_COLUMNS = (
    "symbol", "market", "coin", "currency", "side", "order_type", "type", "mode", "price", "entry_price", "avg_price", "qty",
    "quantity", "amount", "size", "cum_exec_qty", "filled", "leverage", "unrealised_pnl", "wallet_balance", "equity", "balance",
    "total", "free", "used", "locked", "frozen", "order_status", "status", "state", "order_id", "id", "order_link_id",
)
"""Fields of orders, positions and balances that are shown, in this order, if the venue's model has them and any is set."""

_ESCAPED = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})


def card(title: str, state: str, facts: Mapping[str, Any], *parts: str) -> str:
    """Return a headline and a table of ``facts``, without those that are None; ``parts`` is HTML that follows."""
    rows = [(name, value) for name, value in facts.items() if value is not None]
    return f"<div><b>{_text(title)}</b> {_text(state)}{_table((), rows)}{''.join(parts)}</div>"


def client(kind: str, name: str, endpoint: str, state: str, topics: Sequence[str], stats: Any) -> str:
    """Return what a client is doing: its address, its topics and its counters (``Stats``)."""
    ages = ("last_received_age", "last_sent_age")
    counters = {field.name.replace("_", " "): getattr(stats, field.name) for field in attrs.fields(type(stats))
                if field.name not in ages}
    seconds = {f"{each.replace('_', ' ')} (s)": round(age, 1) for each in ages if (age := getattr(stats, each)) is not None}
    return card(f"{kind} {name}", state, {"address": endpoint, "topics": ", ".join(topics) or None, **counters, **seconds})


def book(shown: Any, closed: bool) -> str:
    """Return an order book's best levels, asks above, as a trader's ladder has them; and why it is stale, if it is."""
    now, reason = shown.snapshot(), shown.stale_reason
    how = "" if reason is None else f"{'closed' if closed else 'stale'}: {reason}"
    asks = [("", f"{price:f}", f"{size:f}") for price, size in reversed(now.asks[:_LEVELS])]
    bids = [(f"{size:f}", f"{price:f}", "") for price, size in now.bids[:_LEVELS]]
    title = f"OrderBook {shown.name} {shown.symbol}"
    return f"<div><b>{_text(title)}</b> {_text(how)}{_table(('bid size', 'price', 'ask size'), asks + bids)}</div>"


def account(title: str, shown: Any) -> str:
    """Return an account's open orders, positions and balances; and why it is stale, if it is."""
    now, reason = shown.snapshot(), shown.stale_reason
    tables = [_models(each, getattr(now, each)) for each in ("orders", "positions", "balances") if hasattr(now, each)]
    return card(title, "" if reason is None else f"stale: {reason}", {}, *tables)


def _models(title: str, found: Any) -> str:
    models = list(found.values() if isinstance(found, Mapping) else found)
    rows = [{name: getattr(model, name, None) for name in _COLUMNS} for model in models[:_ROWS]]
    columns = [name for name in _COLUMNS if any(row[name] not in (None, "") for row in rows)]
    more = f", {len(models) - _ROWS} more" if len(models) > _ROWS else ""
    return f"<div>{len(models)} {_text(title)}{more}{_table(columns, [[row[name] for name in columns] for row in rows])}</div>"


def _table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines: List[str] = ["".join(f"<th>{_text(name)}</th>" for name in columns)] if columns else []
    lines += ["".join(f"<td>{_text(value)}</td>" for value in row) for row in rows]
    return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>" if lines else ""


def _text(value: Any) -> str:
    return "" if value is None else clean(f"{value:,}" if isinstance(value, int) else value).translate(_ESCAPED)
