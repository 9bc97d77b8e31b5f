"""The organisation's own proxy: it CONNECT through it, then bytes as they come."""

import asyncio

from bewust.proxy.relay import HEAD_LIMIT


class UpstreamConnect(asyncio.Protocol):
    """The organisation's proxy, until it has answered CONNECT."""

    def __init__(self, pipe: asyncio.Protocol, host: str, port: int) -> None:
        self.answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pipe = pipe
        self._name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(f"CONNECT {self._name} HTTP/1.1\r\nHost: {self._name}\r\n\r\n".encode())

    def data_received(self, data: bytes) -> None:
        self._head += data
        head, found, rest = self._head.partition(b"\r\n\r\n")
        if head.split(b" ", 2)[1:2] != [b"200"] if found else len(head) > HEAD_LIMIT:
            self._transport.abort()
        elif self.answered.done():
            self._transport.abort()  # who asked has given up
        elif found:
            self._transport.set_protocol(self._pipe)
            self._pipe.connection_made(self._transport)
            self.answered.set_result(None)
            if rest:
                asyncio.get_running_loop().call_soon(self._pipe.data_received, rest)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.answered.done():
            self.answered.set_exception(error or ConnectionRefusedError("the proxy refuses"))
