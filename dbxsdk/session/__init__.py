"""The session: a pure machine in ``core``, one lock round it, and the threads that drive it. Knows no venue."""

from dbxsdk.session.connector import NETWORK, AnyConnection, Connector, Prepare, Receiver
from dbxsdk.session.core.topics import Hole
from dbxsdk.session.delivery.book_feed import BookFeed
from dbxsdk.session.delivery.messages import Messages
from dbxsdk.session.session import Session
from dbxsdk.session.stand_in import StandIn
from dbxsdk.session.state import State, Stats
from dbxsdk.session.subscription import Subscription

__all__ = [
    "NETWORK",
    "AnyConnection",
    "BookFeed",
    "Connector",
    "Hole",
    "Messages",
    "Prepare",
    "Receiver",
    "Session",
    "StandIn",
    "State",
    "Stats",
    "Subscription",
]
