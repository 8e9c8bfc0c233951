"""Bybit's private channels: which topics are one channel's, which exclude each other, and who reads their frames."""

from __future__ import annotations

from typing import Any, Callable, Collection, Mapping, Optional, Tuple

import attrs

from dbxsdk.bybit.private import models as models
from dbxsdk.bybit.public.channels import plain

Read = Callable[[Any], Any]

_CONTRACTS = ("linear", "inverse", "option")
_ALL = ("spot", *_CONTRACTS)


@attrs.frozen
class PrivateChannel:
    """One documented channel.

    Attributes:
        read: makes the model of one frame's ``data``.
        categories: what may follow its name, for one category's updates alone. These are pushed under that longer name.
    """

    read: Read = plain
    categories: Tuple[str, ...] = ()


CHANNELS: Mapping[str, PrivateChannel] = {
    "position": PrivateChannel(models.read_positions, _CONTRACTS),
    "execution": PrivateChannel(models.read_executions, _ALL),
    "execution.fast": PrivateChannel(models.read_fast_executions, _ALL),
    "order": PrivateChannel(models.read_orders, _ALL),
    "wallet": PrivateChannel(models.read_wallets),
    "greeks": PrivateChannel(models.read_greeks),
    "strategy": PrivateChannel(),
    # Never pushes: the subscription itself is what counts. Plain "dcp" is deprecated, and still a topic.
    "dcp": PrivateChannel(categories=("future", "spot", "option")),
    "spread.order": PrivateChannel(),
    "spread.execution": PrivateChannel(),
    "rfq.open.rfqs": PrivateChannel(),
    "rfq.open.quotes": PrivateChannel(),
    "rfq.open.trades": PrivateChannel(),
}


def channel_of(topic: str) -> Optional[str]:
    """The channel that ``topic`` is of, or None. Whole names and the longest first: ``execution.fast`` is a channel
    of its own, no form of ``execution``."""
    if topic in CHANNELS:
        return topic
    name, _, category = topic.rpartition(".")
    # A category that is not known here may be a new one.
    return name if name in CHANNELS and CHANNELS[name].categories and category else None


def reader_of(topic: str) -> Read:
    name = channel_of(topic)
    return plain if name is None else CHANNELS[name].read


def conflict(topics: Collection[str]) -> Optional[Tuple[str, str]]:
    """The all-in-one and a categorised form of one channel among ``topics``, or None."""
    for topic in topics:
        name = channel_of(topic)
        if name is not None and name != topic and name in topics:
            return name, topic
    return None
