"""What all parts of one client's session share, in one process."""

from __future__ import annotations

from typing import Optional

import attrs

from dbxsdk.options import Options
from dbxsdk.protocol import Protocol
from dbxsdk.runtime.clock import Clock
from dbxsdk.runtime.log import ClientLog
from dbxsdk.session.connector import Connector, Prepare
from dbxsdk.session.core.machine import Machine
from dbxsdk.session.delivery.dispatcher import Dispatcher
from dbxsdk.session.guard import Guard
from dbxsdk.session.recorded import Recorded
from dbxsdk.transport import Address


@attrs.define(eq=False)
class Shared:
    """Made again in each process: a fork may leave its locks held."""

    name: str
    protocol: Protocol
    address: Address
    options: Options
    prepare: Optional[Prepare]
    connector: Connector
    machine: Machine
    dispatcher: Dispatcher
    guard: Guard
    recorded: Recorded
    log: ClientLog

    @property
    def clock(self) -> Clock:
        """The clock of all times that users see."""
        return self.connector.clock

    @property
    def endpoint(self) -> str:
        """Host and port, for messages."""
        return self.address.endpoint
