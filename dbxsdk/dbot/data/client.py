"""``DBotDataClient``: updates of pairs and wallets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from dbxsdk.arguments import check_credential
from dbxsdk.client import Client
from dbxsdk.credentials import hidden
from dbxsdk.runtime.lazy_import import Later

if TYPE_CHECKING:
    from dbxsdk.dbot.data import protocol
    from dbxsdk.options import Options
else:
    protocol = Later("dbxsdk.dbot.data.protocol")

DATA_URL = "wss://api-data-v1.dbotx.com/data/ws/"
"""The documented address."""


class DBotDataClient(Client):
    """DBot's data socket: trades, figures of pairs, new pairs, wallets' trades. Each update costs credits.

    Unofficial; mind the venue's terms (see ``DBotTradeClient``).

    ===================== ================================ ==============================================
    channel               symbols                          ``Update.data``
    ===================== ================================ ==============================================
    ``tx``                pairs                            tuple of ``Transaction``
    ``pairInfo``          ``PAIR`` or ``PAIR:TOKEN``       ``PairInfo``; with the token also its holders,
                                                           under a name that no page shows: see ``raw``
    ``pairsInfo.1m``      ``PAIR:TOKEN``                   ``PairInfo``; other intervals: ``1h`` ...
    ``newPairInfo``       none                             ``NewPair``
    ``migratedPairInfo``  none                             ``NewPair``
    ``walletTx``          wallets' addresses               tuple of ``WalletTransaction``
    ===================== ================================ ==============================================

    ``Update.kind`` is always ``"update"``: there are no snapshots, and nothing missed is sent again.

    **Updates of** ``tx`` **and** ``pairInfo`` **do not say which pair they are about.** No page shows a pair in them. With
    several pairs on one client each such update goes to every subscription of its type, with ``""`` for
    ``Update.symbol``; a callback cannot know which pair it was. Should the venue name the pair (``p`` or ``pair``), the
    update goes to that pair's subscriptions only. To be sure, use one client per pair, or ``pairsInfo``, whose items
    name their pair. The same applies to ``walletTx`` if the account of a trade is none of the subscribed wallets.

    **Whether a second subscription adds to the first or replaces it is not known.** For ``tx`` and ``pairsInfo`` the
    client therefore always asks for all pairs together, which is right in both cases; after a refusal, which may have ended
    them, the pairs that stay are asked for again, and a ``Gap`` says so. ``pairInfo`` and ``walletTx`` take one address for
    each request: should the venue replace, only the last one is live, and ``max_silence`` of ``subscribe`` reports it.
    ``pairsInfo`` takes one interval for each client (all windows come with any interval); a client in use limits itself to
    99 pairs.

    The acknowledgement of an unsubscribe is not documented either; the client does not wait for one.

    Args:
        api_key: goes into the handshake's ``x-api-key`` header; a wrong one (HTTP 401) is an ``AuthError``, final.
        url: a whole address in place of ``DATA_URL``.
        options: see ``Options``. ``heartbeat_interval`` is 30 s unless given, and 55 s at most: after a minute of
            silence the venue disconnects.

    ``call`` and ``submit`` raise ``ValueError``: the socket has only the requests behind ``subscribe``.

    Raises:
        TypeError, ValueError: naming the argument; the key is in no message.

    Source: docs.dbotx.com/reference, guide-en.dbotx.com.
    """

    _relayed = {"dbot:data": {}}

    def __init__(self, api_key: str, *, url: Optional[str] = None, options: Optional[Options] = None) -> None:
        api_key = hidden(api_key)
        super().__init__(
            protocol.DBotDataProtocol(),
            DATA_URL if url is None else url,
            options=options,
            headers={"x-api-key": check_credential("api_key", api_key)},
        )
