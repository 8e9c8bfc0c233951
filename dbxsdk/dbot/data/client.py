"""``DBotDataClient``: what happens to pairs and wallets, as it happens."""

from __future__ import annotations

from typing import Optional

from dbxsdk.arguments import check_credential
from dbxsdk.client import Client
from dbxsdk.dbot.data.protocol import DBotDataProtocol
from dbxsdk.options import Options

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
    update goes to that pair's subscriptions alone. To be sure, use one client per pair, or ``pairsInfo``, whose items
    name their pair. The same holds for ``walletTx`` where the account of a trade is none of the wallets asked for.

    **Whether a second subscription adds to the first or replaces it is not known.** For ``tx`` and ``pairsInfo`` the
    client therefore always asks for all pairs together, and is right in both cases. ``pairInfo`` and ``walletTx`` take one
    address a request: should the venue replace, only the last one is live, and ``max_silence`` of ``subscribe`` tells.
    ``pairsInfo`` takes one interval a client (all windows come whatever it is); a client in use keeps to 99 pairs.

    The acknowledgement of an unsubscribe is not documented either; none is waited for.

    Args:
        api_key: goes into the handshake's ``x-api-key`` header; a wrong one (HTTP 401) is an ``AuthError``, final.
        url: a whole address in place of ``DATA_URL``.
        options: see ``Options``. ``heartbeat_interval`` is 30 s unless given, and 55 s at most: after a minute of
            silence the venue disconnects.

    ``call`` and ``submit`` raise ``ValueError``: the socket has no requests but those behind ``subscribe``.

    Raises:
        TypeError, ValueError: naming the argument; the key is in no message.

    Source: docs.dbotx.com/reference, guide-en.dbotx.com.
    """

    def __init__(self, api_key: str, *, url: Optional[str] = None, options: Optional[Options] = None) -> None:
        super().__init__(
            DBotDataProtocol(),
            DATA_URL if url is None else url,
            options=options,
            headers={"x-api-key": check_credential("api_key", api_key)},
        )
