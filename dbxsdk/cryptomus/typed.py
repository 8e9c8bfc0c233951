"""For type checkers: what each of Cryptomus's channels brings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbxsdk.client import Client

if TYPE_CHECKING:
    from typing import Any, Dict, Literal, Optional, Tuple, overload

    from dbxsdk.client import Symbols
    from dbxsdk.cryptomus.models import Balance, Deal, Depth, LastPrice, Order, Ticker, Trade
    from dbxsdk.models import Update
    from dbxsdk.session import Messages

    Seconds = Optional[float]

    class CryptomusChannels(Client):
        """``messages`` with the type of each channel's updates; nothing of it runs. A channel that is not known before
        the program does (``f"kline.{interval}"``) brings ``Any``."""

        @overload
        def messages(
            self, channel: Literal["lastprice"], symbols: Symbols = ..., *, raw: Literal[False] = ..., timeout: Seconds = ...
        ) -> Messages[Update[LastPrice]]: ...

        @overload
        def messages(
            self, channel: Literal["depth"], symbols: Symbols = ..., *, raw: Literal[False] = ..., timeout: Seconds = ...
        ) -> Messages[Update[Depth]]: ...

        @overload
        def messages(
            self, channel: Literal["ticker"], symbols: Symbols = ..., *, raw: Literal[False] = ..., timeout: Seconds = ...
        ) -> Messages[Update[Ticker]]: ...

        @overload
        def messages(
            self, channel: Literal["trade"], symbols: Symbols = ..., *, raw: Literal[False] = ..., timeout: Seconds = ...
        ) -> Messages[Update[Tuple[Trade, ...]]]: ...

        @overload
        def messages(
            self, channel: Literal["order"], symbols: Symbols = ..., *, raw: Literal[False] = ..., timeout: Seconds = ...
        ) -> Messages[Update[Order]]: ...

        @overload
        def messages(
            self, channel: Literal["balance"], symbols: Symbols = ..., *, raw: Literal[False] = ..., timeout: Seconds = ...
        ) -> Messages[Update[Balance]]: ...

        @overload
        def messages(
            self, channel: Literal["deal"], symbols: Symbols = ..., *, raw: Literal[False] = ..., timeout: Seconds = ...
        ) -> Messages[Update[Deal]]: ...

        @overload
        def messages(
            self, channel: str, symbols: Symbols = ..., *, raw: Literal[True], timeout: Seconds = ...
        ) -> Messages[Dict[str, Any]]: ...

        @overload
        def messages(
            self, channel: str, symbols: Symbols = ..., *, raw: bool = ..., timeout: Seconds = ...
        ) -> Messages[Any]: ...

        def messages(self, *arguments: Any, **more: Any) -> Messages[Any]: ...

else:
    CryptomusChannels = Client
