"""Local venues: the venues' documented protocols on a loopback port, to try and test programs with no network.

::

    from dbxsdk.sim import DigiFinexVenue

    with DigiFinexVenue() as venue, venue.client() as client:
        client.subscribe("trades", "BTC_USDT", callback=print)
        client.wait(1)

They need the ``sim`` extra: ``pip install "dbxsdk[sim]"``.
"""

try:
    import websockets.sync.server  # noqa: F401
except ImportError as error:
    raise ImportError('dbxsdk.sim needs the package "websockets": pip install "dbxsdk[sim]"') from error

from dbxsdk.sim.bybit.venue import BybitVenue
from dbxsdk.sim.cryptomus.venue import CryptomusVenue
from dbxsdk.sim.dbot.venue import DBotVenue
from dbxsdk.sim.digifinex.venue import DigiFinexVenue
from dbxsdk.sim.inspection import ClientFrame
from dbxsdk.sim.venue import Venue

__all__ = ["BybitVenue", "ClientFrame", "CryptomusVenue", "DBotVenue", "DigiFinexVenue", "Venue"]
