"""Bybit's private channels: which topics belong to a channel, which exclude each other, and how their frames are read."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Tuple

import attrs

from dbxsdk.bybit.private import event_models, models
from dbxsdk.bybit.public.channels import plain
from dbxsdk.channel import Channel
from dbxsdk.fields import each, reader
from dbxsdk.models import Data

_CONTRACTS = ("linear", "inverse", "option")
_ALL = ("spot", *_CONTRACTS)
_WITH_EVENTS = (*_ALL, "event")


@attrs.frozen
class PrivateChannel(Channel[Data]):
    """One documented channel.

    Attributes:
        categories: what may follow its name, for the updates of one category. These are pushed under that longer name.
    """

    venue: str = "bybit"
    categories: Tuple[str, ...] = attrs.field(default=(), repr=False)


POSITIONS = PrivateChannel("position", each(reader(models.Position)), categories=_CONTRACTS)
EVENT_POSITIONS = PrivateChannel("position.event", each(reader(event_models.EventPosition)))
EXECUTIONS = PrivateChannel("execution", each(event_models.read_execution), categories=_WITH_EVENTS)
FAST_EXECUTIONS = PrivateChannel("execution.fast", each(reader(models.FastExecution)), categories=_ALL)
ORDERS = PrivateChannel("order", each(event_models.read_order), categories=_WITH_EVENTS)
WALLETS = PrivateChannel("wallet", each(reader(models.Wallet)))
GREEKS = PrivateChannel("greeks", each(reader(models.Greeks)))

CHANNELS: Mapping[str, PrivateChannel[Any]] = {
    channel.name: channel
    for channel in (
        POSITIONS,
        EVENT_POSITIONS,
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
    """Return the channel of ``topic``, or None. Whole names and the longest first: ``execution.fast`` and ``position.event``
    are channels of their own, not forms of ``execution`` and ``position``."""
    if topic in CHANNELS:
        return topic
    name, _, category = topic.rpartition(".")
    # A category that is not known here may be a new one.
    return name if name in CHANNELS and CHANNELS[name].categories and category else None


def check_topic(channel: str, topic: str) -> None:
    """Raise ``ValueError``, naming the argument, if ``topic``, asked for as ``channel``, is not documented."""
    found = channel_of(topic)
    name = found if found is not None else channel_of(channel) or topic.partition(".")[0]
    if name not in CHANNELS:
        raise ValueError(f"channel must be one of {', '.join(CHANNELS)}, not {channel!r}")
    categories = CHANNELS[name].categories
    if topic != name and topic[len(name) + 1:] not in categories:
        wanted = f"be among {', '.join(categories)}" if categories else "be left out"
        raise ValueError(f"symbols must {wanted} for the channel {name!r}, not {topic[len(name) + 1:]!r}")
