"""The client of Bybit's private socket, with the stream methods that users of pybit know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional, Tuple, Union

from dbxsdk.arguments import check_choice
from dbxsdk.bybit.auth import AUTH_WINDOW, Credentials, Signer
from dbxsdk.bybit.base_client import BybitClient
from dbxsdk.bybit.endpoints import private_url, rest_origin
from dbxsdk.credentials import hidden
from dbxsdk.runtime.lazy_import import Later

if TYPE_CHECKING:
    from dbxsdk.backfill import twin as backfill
    from dbxsdk.bybit import twins
    from dbxsdk.bybit.base_client import Callback
    from dbxsdk.bybit.private import account as accounts, models, protocol as protocols
    from dbxsdk.bybit.private.account import Account
    from dbxsdk.options import Options
    from dbxsdk.session import Subscription
else:
    backfill, twins = Later("dbxsdk.backfill.twin"), Later("dbxsdk.bybit.twins")
    accounts, protocols = Later("dbxsdk.bybit.private.account"), Later("dbxsdk.bybit.private.protocol")


class BybitPrivateClient(BybitClient):
    """The updates of one account: orders, executions, positions, balances.

    Construction does no I/O; the connection opens, and logs in, with ``open()`` or the first subscription. Each
    connection gets a new signature. A refused key raises ``AuthError`` from that call, and is final.

    ====================== ============================== ================================================
    channel                symbols: none, or some of      ``Update.data``
    ====================== ============================== ================================================
    ``position``           linear inverse option          tuple of ``Position``
    ``execution``          spot linear inverse option     tuple of ``Execution``; those of event contracts are
                           event                          ``EventExecution``, a kind of it
    ``execution.fast``     spot linear inverse option     tuple of ``FastExecution``
    ``order``              spot linear inverse option     tuple of ``Order``, likewise ``EventOrder``
                           event
    ``position.event``                                    tuple of ``EventPosition``
    ``wallet``                                            tuple of ``Wallet``
    ``greeks``                                            tuple of ``Greeks``
    ``dcp``                future spot option             none: it never pushes, see ``dcp_stream``
    ``strategy``                                          plain list of dicts
    ``spread.order``                                      plain list of dicts
    ``spread.execution``                                  plain list of dicts
    ``rfq.open.rfqs``                                     plain list of dicts; likewise ``rfq.open.quotes``
                                                          and ``rfq.open.trades``
    ====================== ============================== ================================================

    Other names and symbols are a ``ValueError`` before any I/O; ``bybit.undocumented("topic")`` passes for what the venue has
    added since.

    ``subscribe("order")`` brings all categories, ``subscribe("order", "spot")`` or ``subscribe("order.spot")`` one of
    them. The venue pushes these under their own names: ``Update.channel`` is the whole topic (``"order.spot"``) and
    ``Update.symbol`` is ``""``, since one frame may be about several symbols. The all-in-one and a categorised form of
    one channel exclude each other on one client (the venue refuses them in one request, and documents nothing about two
    requests): ``ValueError``, before any I/O.

    No initial state comes with a subscription, and none after the ``Gap`` of a reconnect: ``account()`` has both. Updates
    may come twice: distinguish executions by ``exec_id``, orders by ``order_id`` and ``updated_time``.

    A signature made outside of the SDK, here with an RSA key and the package cryptography::

        import base64
        import pathlib

        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import padding

        key = serialization.load_pem_private_key(pathlib.Path("bybit.pem").read_bytes(), password=None)

        def sign(payload: str) -> str:
            return base64.b64encode(key.sign(payload.encode(), padding.PKCS1v15(), hashes.SHA256())).decode()

        client = dbxsdk.BybitPrivateClient(api_key, None, signer=sign)

    Args:
        api_key, api_secret: of an HMAC key. ``api_secret`` may be None if there is a ``signer``, and is not used then.
        testnet: the venue's test network, which has keys of its own.
        demo: the venue's paper trading, with keys made in its demo mode; it has order, execution, position, wallet and
            greeks. Not together with ``testnet``: the venue asks not to.
        max_active_time: time without any traffic after which the venue closes the connection: seconds (int), or its own
            text (``"45s"``, ``"2m"``), from 30 s to 600 s. The client sends a ping every 20 s, so this matters only if the
            client or the network dies. None: 600 s.
        url: another address of the same protocol (a regional host, a local server).
        rest_url: origin of the REST side that ``account``, ``backfill`` and ``since`` ask, such as ``https://api.bybit.com``;
            None is the one that belongs to the socket; with a ``url`` whose REST side is not known it is needed for them.
        signer: called on a background thread with the text to sign, for each connection; returns the signature, in place
            of HMAC. It must not use the client, and has to be quick: ``auth_window`` is running. If it raises, the attempt
            to connect ends with a ``VenueError`` that has the exception as its cause; reconnects try again.
        options: see ``Options``.
        auth_window: seconds for which a login's signature is valid. If the venue refuses its time nevertheless, the client
            asks for the venue's clock and logs in once more with that. Each pong states the venue's time again, and once it
            is known, logins use it, even if this machine's clock is wrong. If that does not help, the ``AuthError`` says how
            far this machine's clock is off; a second and more is logged as a warning in any case.

    Raises:
        TypeError, ValueError: naming the argument.

    Source: https://bybit-exchange.github.io/docs/v5/ws/connect
    """

    _relayed = {"bybit:private": {}}

    def __init__(
        self,
        api_key: str,
        api_secret: Optional[str],
        *,
        testnet: bool = False,
        demo: bool = False,
        max_active_time: Optional[Union[int, str]] = None,
        url: Optional[str] = None,
        rest_url: Optional[str] = None,
        signer: Optional[Signer] = None,
        options: Optional[Options] = None,
        auth_window: float = AUTH_WINDOW,
    ) -> None:
        api_key, api_secret = hidden(api_key), hidden(api_secret)
        protocol = protocols.BybitPrivateProtocol(Credentials(api_key, api_secret, signer), auth_window)
        origin = rest_origin(rest_url, testnet=testnet, demo=demo, url=url)
        address = private_url("/v5/private", testnet=testnet, demo=demo, url=url, max_active_time=max_active_time)
        super().__init__(protocol, address, options=options)
        # With credentials of its own, which remember the last signature.
        self._origin, self._credentials = origin, Credentials(api_key, api_secret, signer)

    _fetchable = ("order", "execution", "position", "wallet")

    def _twin(self, topic: str) -> Optional[backfill.Twinned]:
        if topic not in self._fetchable:
            return None
        return backfill.Twinned(twins.PRIVATE[topic](self._rest_side()), topic, "")

    def account(self, *, reconcile_every: Optional[float] = 300.0, timeout: Optional[float] = None) -> Account:
        """Return the account as a book: open orders, positions and balances, kept current from the stream (``order``,
        ``position``, ``wallet``), begun and after each hole renewed over REST, on a thread of its own.

        Returns once the venue has acknowledged the subscriptions; ``Account.wait_ready`` waits for the first state (not in a
        callback). Categorised forms of these channels (``order.spot``) must not be subscribed on the same client.

        Args:
            reconcile_every: seconds after which REST is asked again without a reason; a difference is the event ``Drift``, and
                put right. None: never.
            timeout: seconds to wait for the acknowledgements, in place of ``request_timeout``.

        Raises:
            TypeError, ValueError: naming the argument, before any I/O.
            SubscribeError, RequestTimeout, ConnectError, AuthError, WrongThreadError: as ``subscribe`` does; nothing stays.

        Source: order/open-order, position, account/wallet-balance.
        """
        made = self._new_account(accounts.Account, reconcile_every)
        self._begin_account(made, [(channel, ()) for channel in accounts.Account.channels], timeout)
        return made

    def position_stream(self, callback: Callback[Tuple[models.Position, ...]], *, raw: bool = False) -> Subscription:
        """Subscribe ``position``: a tuple of ``Position``, after every order that is made, amended or cancelled in the
        symbol (even if the position did not change) and every fill.

        Like all ``..._stream`` methods this is one ``subscribe``, and raises what that raises; a retry is safe.

        Source: websocket/private/position.
        """
        return self.subscribe("position", callback=callback, raw=raw)

    def order_stream(self, callback: Callback[Tuple[models.Order, ...]], *, raw: bool = False) -> Subscription:
        """Subscribe ``order``: a tuple of ``Order``, at once.

        Source: websocket/private/order.
        """
        return self.subscribe("order", callback=callback, raw=raw)

    def execution_stream(self, callback: Callback[Tuple[models.Execution, ...]], *, raw: bool = False) -> Subscription:
        """Subscribe ``execution``: a tuple of ``Execution``, at once.

        Source: websocket/private/execution.
        """
        return self.subscribe("execution", callback=callback, raw=raw)

    def fast_execution_stream(
        self, callback: Callback[Tuple[models.FastExecution, ...]], categorised_topic: str = "", *, raw: bool = False
    ) -> Subscription:
        """Subscribe ``execution.fast``: a tuple of ``FastExecution``, sooner than ``execution`` and with fewer fields.

        ``categorised_topic`` limits it to the executions of one category: ``"spot"``, ``"linear"``, ``"inverse"``, ``"option"``.

        Source: websocket/private/fast-execution.
        """
        if not isinstance(categorised_topic, str):
            raise TypeError(f"categorised_topic must be a str, not {type(categorised_topic).__name__}")
        return self.subscribe("execution.fast", categorised_topic or (), callback=callback, raw=raw)

    def wallet_stream(self, callback: Callback[Tuple[models.Wallet, ...]], *, raw: bool = False) -> Subscription:
        """Subscribe ``wallet``: a tuple of ``Wallet`` after a balance changed; unrealised profit and loss has no updates.

        Source: websocket/private/wallet.
        """
        return self.subscribe("wallet", callback=callback, raw=raw)

    def greek_stream(self, callback: Callback[Tuple[models.Greeks, ...]], *, raw: bool = False) -> Subscription:
        """Subscribe ``greeks`` (options): a tuple of ``Greeks``.

        Source: websocket/private/greek.
        """
        return self.subscribe("greeks", callback=callback, raw=raw)

    def spread_order_stream(self, callback: Callback[Any], *, raw: bool = False) -> Subscription:
        """Subscribe ``spread.order``: plain dicts, the combination and its legs, joined by ``parentOrderId``.

        Source: spread/websocket/private/order.
        """
        return self.subscribe("spread.order", callback=callback, raw=raw)

    def spread_execution_stream(self, callback: Callback[Any], *, raw: bool = False) -> Subscription:
        """Subscribe ``spread.execution``: plain dicts, the combination and its legs, joined by ``parentExecId``.

        Source: spread/websocket/private/execution.
        """
        return self.subscribe("spread.execution", callback=callback, raw=raw)

    def dcp_stream(self, product: str, callback: Callback[Any] = lambda update: None) -> Subscription:
        """Subscribe ``dcp.{product}``, which arms the venue's disconnect protection for institutional accounts: once
        **every** private connection with this subscription has been dead for longer than the account's window (10 s
        unless set otherwise over REST, 3 s at least), the venue cancels the product's orders.

        ``product`` is ``"future"``, ``"spot"`` or ``"option"``. Nothing is ever pushed. A reconnect has to happen within
        the window, so ``Options.backoff_max`` should be well below it, and ``Options.heartbeat_interval`` too: after a
        reconnect the venue waits for the next ping.

        Source: websocket/private/dcp, order/dcp.
        """
        return self.subscribe("dcp", check_choice("product", product, ("future", "spot", "option")), callback=callback)
