"""The ends that a browser's connection has towards the other side: a site, or the inspector.

Belongs here: what is special about each of them. Not here: which of them a connection gets (connection).
"""

from typing import Protocol

from bewust.proxy.relay import Buffer, ConnectClient, RelayProtocol


class Inbound(Protocol):
    """What is needed of the browser's end."""

    buffer: Buffer
    plain: bool
    replay: bytearray | None
    inspector: "InspectorConnection | None"
    opened: list[RelayProtocol]

    def count_bytes(self, count: int) -> bool:
        """Note bytes that came back; False where none will ever count."""

    def splice_instead(self) -> None:
        """Splice instead of inspecting."""


class Outbound(ConnectClient):
    """An end that was opened for a browser's connection, which sees to it that it ends."""

    def __init__(self, link: Inbound) -> None:
        super().__init__(link.buffer)
        self.link = link
        link.opened.append(self)


class ServerConnection(Outbound):
    """The end towards a site; `direct` unless the organisation's own proxy is asked for it."""

    def __init__(self, link: Inbound, direct: bool = False) -> None:
        super().__init__(link)
        if direct:
            self.answered.set_result(True)

    def data_after_connect(self, data: memoryview) -> None:
        self.plain = not self.link.count_bytes(len(data))
        super().data_after_connect(data)

    def connection_lost(self, error: Exception | None) -> None:
        try:
            self.refused()
        finally:
            super().connection_lost(error)


class InspectorConnection(Outbound):
    """The end towards the inspector."""

    def data_after_connect(self, data: memoryview) -> None:
        self.link.replay, self.link.plain = None, True  # it cannot be spliced any more
        self.plain = not self.link.count_bytes(len(data))
        super().data_after_connect(data)

    def eof_received(self) -> bool:
        return False if self.wants_splice() else super().eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        self.transport, left = None, False
        try:
            left = self.wants_splice()
        finally:
            if not left:
                super().connection_lost(error)

    def wants_splice(self) -> bool:
        """Leave it to a splice where the browser has heard nothing of ours yet."""
        if self.refused() or self.link.inspector is not self:
            return True
        if self.link.replay is None:
            return False
        self.link.splice_instead()
        return True
