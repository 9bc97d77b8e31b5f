"""The ends that a browser's connection has towards the other side: a site, or the inspector.

Belongs here: what is special about each of them. Not here: which of them a connection gets (link).
"""

from typing import Protocol

from bewust.relay import Asked, Buffer, End


class Inbound(Protocol):
    """What is needed of the browser's end."""

    buffer: Buffer
    plain: bool
    replay: bytearray | None
    inspector: "InspectorEnd | None"
    opened: list[End]

    def carried(self, count: int) -> bool:
        """Note bytes that came back; False where none will ever count."""

    def fall_back(self) -> None:
        """Splice instead of inspecting."""


class Outbound(Asked):
    """An end that was opened for a browser's connection, which sees to it that it ends."""

    def __init__(self, link: Inbound) -> None:
        super().__init__(link.buffer)
        self.link = link
        link.opened.append(self)


class Site(Outbound):
    """The end towards a site; `direct` unless the organisation's own proxy is asked for it."""

    def __init__(self, link: Inbound, direct: bool = False) -> None:
        super().__init__(link)
        if direct:
            self.answered.set_result(True)

    def passed(self, data: memoryview) -> None:
        self.plain = not self.link.carried(len(data))
        super().passed(data)

    def connection_lost(self, error: Exception | None) -> None:
        try:
            self.refused()
        finally:
            super().connection_lost(error)


class InspectorEnd(Outbound):
    """The end towards the inspector."""

    def passed(self, data: memoryview) -> None:
        self.link.replay, self.link.plain = None, True  # it cannot be spliced any more
        self.plain = not self.link.carried(len(data))
        super().passed(data)

    def eof_received(self) -> bool:
        return False if self.gives_up() else super().eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        self.transport, left = None, False
        try:
            left = self.gives_up()
        finally:
            if not left:
                super().connection_lost(error)

    def gives_up(self) -> bool:
        """Leave it to a splice where the browser has heard nothing of ours yet."""
        if self.refused() or self.link.inspector is not self:
            return True
        if self.link.replay is None:
            return False
        self.link.fall_back()
        return True
