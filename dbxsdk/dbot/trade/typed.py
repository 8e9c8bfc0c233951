"""For type checkers: what the trade socket's one channel brings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbxsdk.client import Client

if TYPE_CHECKING:
    from typing import Any, Dict, Literal, Optional, overload

    from dbxsdk.client import Symbols
    from dbxsdk.dbot.models import TradeResult
    from dbxsdk.models import Update
    from dbxsdk.session import Messages

    Seconds = Optional[float]

    class TradeChannels(Client):
        """``messages`` with the type of each channel's updates; nothing of it runs. A channel that is not known before
        the program does (``f"kline.{interval}"``) brings ``Any``."""

        @overload
        def messages(
            self, channel: Literal["tradeResults"], symbols: Symbols = ..., *, raw: Literal[False] = ..., timeout: Seconds = ...
        ) -> Messages[Update[TradeResult]]: ...

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
    TradeChannels = Client
