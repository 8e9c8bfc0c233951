"""For type checkers: what each of DigiFinex's channels brings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbxsdk.client import Client

if TYPE_CHECKING:
    from typing import Any, Dict, Literal, Optional, Tuple, overload

    from dbxsdk.client import Symbols
    from dbxsdk.digifinex.models import AlgoOrder, Balance, Depth, Order, Ticker, Trade
    from dbxsdk.models import Update
    from dbxsdk.session import Messages

    Seconds = Optional[float]

    class DigiFinexChannels(Client):
        """``messages`` with the type of each channel's updates; nothing of it runs. A channel that is not known before
        the program does (``f"kline.{interval}"``) brings ``Any``."""

        @overload
        def messages(
            self, channel: Literal["trades"], symbols: Symbols = ..., *, raw: Literal[False] = ..., timeout: Seconds = ...
        ) -> Messages[Update[Tuple[Trade, ...]]]: ...

        @overload
        def messages(
            self, channel: Literal["depth"], symbols: Symbols = ..., *, raw: Literal[False] = ..., timeout: Seconds = ...
        ) -> Messages[Update[Depth]]: ...

        @overload
        def messages(
            self,
            channel: Literal["ticker", "all_ticker"],
            symbols: Symbols = ...,
            *,
            raw: Literal[False] = ...,
            timeout: Seconds = ...,
        ) -> Messages[Update[Tuple[Ticker, ...]]]: ...

        @overload
        def messages(
            self, channel: Literal["order"], symbols: Symbols = ..., *, raw: Literal[False] = ..., timeout: Seconds = ...
        ) -> Messages[Update[Tuple[Order, ...]]]: ...

        @overload
        def messages(
            self, channel: Literal["order_algo"], symbols: Symbols = ..., *, raw: Literal[False] = ..., timeout: Seconds = ...
        ) -> Messages[Update[Tuple[AlgoOrder, ...]]]: ...

        @overload
        def messages(
            self, channel: Literal["balance"], symbols: Symbols = ..., *, raw: Literal[False] = ..., timeout: Seconds = ...
        ) -> Messages[Update[Tuple[Balance, ...]]]: ...

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
    DigiFinexChannels = Client
