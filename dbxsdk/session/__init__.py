"""Threads, the one lock, reconnects, requests in flight, dispatch. Knows no venue."""

from dbxsdk.session.messages import Messages
from dbxsdk.session.session import Prepare, Session
from dbxsdk.session.state import State, Stats
from dbxsdk.session.subscription import Subscription

__all__ = ["Messages", "Prepare", "Session", "State", "Stats", "Subscription"]
