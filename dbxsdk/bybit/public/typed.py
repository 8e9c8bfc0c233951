"""For type checkers: what each of Bybit's public channels brings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbxsdk.bybit.base_client import BybitClient

if TYPE_CHECKING:
    from typing import Any, Dict, Literal, Optional, Tuple, Union, overload

    from dbxsdk.bybit.public.models import (
        AdlAlert,
        InsurancePool,
        Kline,
        Liquidation,
        OrderBookUpdate,
        PriceLimit,
        RpiOrderBookUpdate,
        SystemStatus,
        Trade,
    )
    from dbxsdk.bybit.public.ticker_models import ContractTicker, OptionTicker, SpotTicker
    from dbxsdk.client import Symbols
    from dbxsdk.models import Update
    from dbxsdk.session import Messages

    Seconds = Optional[float]

    class PublicChannels(BybitClient):
        """``messages`` with the type of each channel's updates; nothing of it runs. A channel that is not known before
        the program does (``f"kline.{interval}"``) brings ``Any``."""

        @overload
        def messages(
            self,
            channel: Literal[
                "orderbook.1", "orderbook.25", "orderbook.50", "orderbook.100", "orderbook.200",
                "orderbook.1000", "orderbook.full"
            ],
            symbols: Symbols = ...,
            *,
            raw: Literal[False] = ...,
            timeout: Seconds = ...,
        ) -> Messages[Update[OrderBookUpdate]]: ...

        @overload
        def messages(
            self,
            channel: Literal["orderbook.rpi"],
            symbols: Symbols = ...,
            *,
            raw: Literal[False] = ...,
            timeout: Seconds = ...,
        ) -> Messages[Update[RpiOrderBookUpdate]]: ...

        @overload
        def messages(
            self, channel: Literal["publicTrade"], symbols: Symbols = ..., *, raw: Literal[False] = ..., timeout: Seconds = ...
        ) -> Messages[Update[Tuple[Trade, ...]]]: ...

        @overload
        def messages(
            self, channel: Literal["tickers"], symbols: Symbols = ..., *, raw: Literal[False] = ..., timeout: Seconds = ...
        ) -> Messages[Update[Union[ContractTicker, OptionTicker, SpotTicker]]]: ...

        @overload
        def messages(
            self,
            channel: Literal[
                "kline.1", "kline.3", "kline.5", "kline.15", "kline.30", "kline.60", "kline.120", "kline.240",
                "kline.360", "kline.720", "kline.D", "kline.W", "kline.M"
            ],
            symbols: Symbols = ...,
            *,
            raw: Literal[False] = ...,
            timeout: Seconds = ...,
        ) -> Messages[Update[Tuple[Kline, ...]]]: ...

        @overload
        def messages(
            self,
            channel: Literal["allLiquidation"],
            symbols: Symbols = ...,
            *,
            raw: Literal[False] = ...,
            timeout: Seconds = ...,
        ) -> Messages[Update[Tuple[Liquidation, ...]]]: ...

        @overload
        def messages(
            self, channel: Literal["insurance"], symbols: Symbols = ..., *, raw: Literal[False] = ..., timeout: Seconds = ...
        ) -> Messages[Update[Tuple[InsurancePool, ...]]]: ...

        @overload
        def messages(
            self, channel: Literal["adlAlert"], symbols: Symbols = ..., *, raw: Literal[False] = ..., timeout: Seconds = ...
        ) -> Messages[Update[Tuple[AdlAlert, ...]]]: ...

        @overload
        def messages(
            self, channel: Literal["priceLimit"], symbols: Symbols = ..., *, raw: Literal[False] = ..., timeout: Seconds = ...
        ) -> Messages[Update[PriceLimit]]: ...

        @overload
        def messages(
            self,
            channel: Literal["system.status"],
            symbols: Symbols = ...,
            *,
            raw: Literal[False] = ...,
            timeout: Seconds = ...,
        ) -> Messages[Update[Tuple[SystemStatus, ...]]]: ...

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
    PublicChannels = BybitClient
