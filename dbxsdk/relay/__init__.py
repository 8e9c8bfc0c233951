"""Relays: one feed for many workers on many machines, by way of Redis Streams."""

from dbxsdk.relay.relay import Relay
from dbxsdk.relay.term import RelayStatus

__all__ = ["Relay", "RelayStatus"]
