"""The organisation's own proxy, played: it alone reaches the world, and notes what it was asked for."""

import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Self


class Proxy:
    """A context manager; `addresses` maps names to "address:port", `asked` is every name of a CONNECT, in order."""

    def __init__(self, addresses: Mapping[str, str], address: str = "127.0.0.1") -> None:
        self._addresses = addresses
        self._listener = socket.create_server((address, 0))
        self.asked: list[str] = []
        self.url = f"http://{address}:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._tunnel, args=self._listener.accept()[:1], daemon=True).start()

    def _tunnel(self, browser: socket.socket) -> None:
        with browser, suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                if not (some := browser.recv(1)):
                    return
                head += some
            method, target = head.split()[:2]
            name = target.decode().rpartition(":")[0]
            self.asked.append(name)
            if method != b"CONNECT" or name not in self._addresses:
                browser.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
                return
            host, _, port = self._addresses[name].rpartition(":")
            with socket.create_connection((host, int(port))) as site:
                browser.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                back = threading.Thread(target=_pump, args=(site, browser), daemon=True)
                back.start()
                _pump(browser, site)
                back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
