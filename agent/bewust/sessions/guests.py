"""The service's side of a connection with a session, whatever it goes through: a socket, or a pipe on Windows."""

import asyncio
from typing import Protocol


class ConnectionHandler(Protocol):
    """Those who come, each known by the number that `owners` gives a person."""

    def connected(self, who: int) -> bool:
        """Whether a person may come in, who then has a place."""

    async def serve(self, who: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Talk with a guest; a return ends it."""

    def disconnected(self, who: int) -> None:
        """Take the place back, also of one who was never served."""
