"""Bybit v5's private socket: login, subscriptions, and the account's updates.

Source: https://bybit-exchange.github.io/docs/v5/ws/connect and the pages of the private topics.
"""

from __future__ import annotations

import re
from typing import Any, Collection, Dict, List, Optional, Sequence, Tuple

from dbxsdk.bybit.base_protocol import AccountProtocol, TopicProtocol
from dbxsdk.bybit.envelope import contents, refusal, whole_number, words
from dbxsdk.bybit.private.channels import CHANNELS, channel_of, check_topic
from dbxsdk.bybit.public.channels import plain
from dbxsdk.errors import AuthError, VenueError
from dbxsdk.protocol import Acknowledgement, Push, Reply, Request

# The venue's text for a signature whose time is wrong, and for everything else that is wrong with a login.
_PARAMS_ERROR = "params error"


class BybitPrivateProtocol(TopicProtocol, AccountProtocol):
    """The private socket of one account."""

    socket = "private"
    client = "BybitPrivateClient"

    def request(self, method: str, params: Any) -> Request:
        request = super().request(method, params)
        if method == "ping":
            self._clock.ping_made(request.key)
        return request

    def check_channel(self, channel: str, symbols: Sequence[str]) -> None:
        for topic in self.topics(channel, symbols):
            check_topic(channel, topic)

    def topics_of(self, channel: str, topics: Collection[str]) -> Tuple[str, ...]:
        # By the known channels, since "execution" begins "execution.fast"; unknown ones by whole parts.
        inside = channel + "."
        return tuple(
            topic
            for topic in topics
            if topic == channel or channel_of(topic) == channel or (channel_of(topic) is None and topic.startswith(inside))
        )

    def check_capacity(self, topics: Collection[str]) -> None:
        """Raise ``ValueError`` if the all-in-one and a categorised form of one channel are both wanted. The venue refuses
        them in one request, and says nothing about two requests. It documents no limit of topics."""
        for topic in topics:
            whole = channel_of(topic)
            if whole != topic and whole in topics:
                raise ValueError(
                    f"channel: {whole!r} has the updates of all categories, including {topic!r}, and the venue does not take "
                    f"both; unsubscribe one of them, or use a second client"
                )

    def _push(self, topic: str, document: Dict[str, Any]) -> Push:
        stamp = whole_number(document.get("creationTime"))
        channel = channel_of(topic)
        read = plain if channel is None else CHANNELS[channel].read
        # The topic is the channel, categories included: what follows the dot is not a symbol.
        return Push(topic, topic, "", "update", document, document.get("data"), read, stamp)

    def acknowledge(self, request: Request, reply: Reply) -> Acknowledgement:
        """Return what is decided: a request may succeed in part, and then the text lists what did, and what did not."""
        document = contents(reply)
        topics = request.topics
        message = words(document)
        good, bad = _listed(message)
        refused = {topic: refusal(topic, message, document) for topic in topics if topic in bad}
        if document.get("success") is True:
            return Acknowledgement(tuple(topic for topic in topics if topic not in refused), refused)
        accepted = tuple(topic for topic in topics if topic in good and topic not in refused)
        unnamed = tuple(topic for topic in topics if topic not in good and topic not in refused)
        if len(topics) > 1:
            # A text without lists, or in an unknown form, decides nothing: a request for each alone is a plain yes or no.
            return Acknowledgement(accepted, refused, tuple(self.request("subscribe", (topic,)) for topic in unnamed))
        refused.update((topic, refusal(topic, message, document)) for topic in unnamed)
        return Acknowledgement(accepted, refused)

    def _refusal(self, request: Request, document: Dict[str, Any]) -> Optional[VenueError]:
        refused = super()._refusal(request, document)
        if refused is None or request.kind != "auth":
            return refused
        # Here the venue sends no codes, only texts, and the same one for most causes.
        return AuthError(f"the login was refused: {refused.message}", code=refused.code, reply=document)

    def _is_about_time(self, document: Dict[str, Any]) -> bool:
        return words(document).strip().lower() == _PARAMS_ERROR


def _listed(message: str) -> Tuple[Collection[str], Collection[str]]:
    """Return the topics that a text lists in brackets as successful, and those that it lists as failed.

    ``Batch subscription partially succeeded and partially failed.Successful subscriptions are as follows:[A, B].
    Subscription to the following topics failed because ...:[C].`` The separator within one list was never seen: no
    topic has a blank, comma, semicolon or quote.
    """
    good: List[str] = []
    bad: List[str] = []
    end = 0
    # No pattern with two open ends: a hostile long text would make it slow.
    for found in re.finditer(r"\[[^\[\]]*\]", message):
        before = message[end:found.start()].lower()
        end = found.end()
        names = [name for name in re.split(r"[\s,;\"']+", found.group()[1:-1]) if name]
        # Both words may precede the list: the nearer one is meant.
        if before.rfind("success") > before.rfind("fail"):
            good += names
        elif "fail" in before:
            bad += names
    return frozenset(good), frozenset(bad)
