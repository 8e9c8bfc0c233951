"""Bybit's private channels: which topics belong to a channel, which exclude each other, and how their frames are read."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Tuple

import attrs

from dbxsdk.bybit.private import models
from dbxsdk.bybit.public.channels import plain
from dbxsdk.channel import Channel
from dbxsdk.fields import each, reader
from dbxsdk.models import Data

_CONTRACTS = ("linear", "inverse", "option")
_ALL = ("spot", *_CONTRACTS)


@attrs.frozen
class PrivateChannel(Channel[Data]):
    """One documented channel.

    Attributes:
        categories: what may follow its name, for the updates of one category. These are pushed under that longer name.
    """

    venue: str = "bybit"
    categories: Tuple[str, ...] = attrs.field(default=(), repr=False)


POSITIONS = PrivateChannel("position", each(reader(models.Position)), categories=_CONTRACTS)
EXECUTIONS = PrivateChannel("execution", each(reader(models.Execution)), categories=_ALL)
FAST_EXECUTIONS = PrivateChannel("execution.fast", each(reader(models.FastExecution)), categories=_ALL)
ORDERS = PrivateChannel("order", each(reader(models.Order)), categories=_ALL)
WALLETS = PrivateChannel("wallet", each(reader(models.Wallet)))
GREEKS = PrivateChannel("greeks", each(reader(models.Greeks)))

CHANNELS: Mapping[str, PrivateChannel[Any]] = {
    channel.name: channel
    for channel in (
        POSITIONS,
        EXECUTIONS,
        FAST_EXECUTIONS,
        ORDERS,
        WALLETS,
        GREEKS,
        PrivateChannel("strategy", plain),
        # Never pushes: the subscription itself is what counts. Plain "dcp" is deprecated, and still a topic.
        PrivateChannel("dcp", plain, categories=("future", "spot", "option")),
        PrivateChannel("spread.order", plain),
        PrivateChannel("spread.execution", plain),
        PrivateChannel("rfq.open.rfqs", plain),
        PrivateChannel("rfq.open.quotes", plain),
        PrivateChannel("rfq.open.trades", plain),
    )
}


def channel_of(topic: str) -> Optional[str]:
    """Return the channel of ``topic``, or None. Whole names and the longest first: ``execution.fast`` is a channel of its
    own, not a form of ``execution``."""
    if topic in CHANNELS:
        return topic
    name, _, category = topic.rpartition(".")
    # A category that is not known here may be a new one.
    return name if name in CHANNELS and CHANNELS[name].categories and category else None
