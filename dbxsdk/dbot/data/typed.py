"""For type checkers: what each channel of the data socket brings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbxsdk.client import Client

if TYPE_CHECKING:
    from typing import Any, Dict, Literal, Optional, Tuple, overload

    from dbxsdk.client import Symbols
    from dbxsdk.dbot.models import NewPair, PairInfo, Transaction, WalletTransaction
    from dbxsdk.models import Update
    from dbxsdk.session import Messages

    Seconds = Optional[float]

    class DataChannels(Client):
        """``messages`` with the type of each channel's updates; nothing of it runs. A channel that is not known before
        the program does (``f"kline.{interval}"``) brings ``Any``."""

        @overload
        def messages(
            self, channel: Literal["tx"], symbols: Symbols = ..., *, raw: Literal[False] = ..., timeout: Seconds = ...
        ) -> Messages[Update[Tuple[Transaction, ...]]]: ...

        @overload
        def messages(
            self,
            channel: Literal["pairInfo", "pairsInfo", "pairsInfo.1m", "pairsInfo.1h"],
            symbols: Symbols = ...,
            *,
            raw: Literal[False] = ...,
            timeout: Seconds = ...,
        ) -> Messages[Update[PairInfo]]: ...

        @overload
        def messages(
            self,
            channel: Literal["newPairInfo", "migratedPairInfo"],
            symbols: Symbols = ...,
            *,
            raw: Literal[False] = ...,
            timeout: Seconds = ...,
        ) -> Messages[Update[NewPair]]: ...

        @overload
        def messages(
            self, channel: Literal["walletTx"], symbols: Symbols = ..., *, raw: Literal[False] = ..., timeout: Seconds = ...
        ) -> Messages[Update[Tuple[WalletTransaction, ...]]]: ...

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
    DataChannels = Client
