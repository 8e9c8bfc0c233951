"""For type checkers: what each of Bybit's private channels brings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbxsdk.bybit.base_client import BybitClient

if TYPE_CHECKING:
    from typing import Any, Dict, Literal, Optional, Tuple, overload

    from dbxsdk.bybit.private.models import Execution, FastExecution, Greeks, Order, Position, Wallet
    from dbxsdk.client import Symbols
    from dbxsdk.models import Update
    from dbxsdk.session import Messages

    Seconds = Optional[float]

    class PrivateChannels(BybitClient):
        """``messages`` with the type of each channel's updates; nothing of it runs. A channel that is not known before
        the program does (``f"kline.{interval}"``) brings ``Any``."""

        @overload
        def messages(
            self,
            channel: Literal["order", "order.spot", "order.linear", "order.inverse", "order.option"],
            symbols: Symbols = ...,
            *,
            raw: Literal[False] = ...,
            timeout: Seconds = ...,
        ) -> Messages[Update[Tuple[Order, ...]]]: ...

        @overload
        def messages(
            self,
            channel: Literal["execution", "execution.spot", "execution.linear", "execution.inverse", "execution.option"],
            symbols: Symbols = ...,
            *,
            raw: Literal[False] = ...,
            timeout: Seconds = ...,
        ) -> Messages[Update[Tuple[Execution, ...]]]: ...

        @overload
        def messages(
            self,
            channel: Literal[
                "execution.fast", "execution.fast.spot", "execution.fast.linear", "execution.fast.inverse",
                "execution.fast.option"
            ],
            symbols: Symbols = ...,
            *,
            raw: Literal[False] = ...,
            timeout: Seconds = ...,
        ) -> Messages[Update[Tuple[FastExecution, ...]]]: ...

        @overload
        def messages(
            self,
            channel: Literal["position", "position.linear", "position.inverse", "position.option"],
            symbols: Symbols = ...,
            *,
            raw: Literal[False] = ...,
            timeout: Seconds = ...,
        ) -> Messages[Update[Tuple[Position, ...]]]: ...

        @overload
        def messages(
            self, channel: Literal["wallet"], symbols: Symbols = ..., *, raw: Literal[False] = ..., timeout: Seconds = ...
        ) -> Messages[Update[Tuple[Wallet, ...]]]: ...

        @overload
        def messages(
            self, channel: Literal["greeks"], symbols: Symbols = ..., *, raw: Literal[False] = ..., timeout: Seconds = ...
        ) -> Messages[Update[Tuple[Greeks, ...]]]: ...

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
    PrivateChannels = BybitClient
