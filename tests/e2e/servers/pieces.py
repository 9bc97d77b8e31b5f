"""A port where every ClientHello goes on in two segments, as one with post-quantum keys does on a real network."""

import contextlib
import socket
import threading
import time
from types import TracebackType
from typing import Self

PAUSE = 0.05  # seconds between the two, so that they are read apart


class Pieces:
    """A context manager; `target` is where all goes, `proxy` whether a CONNECT comes first."""

    def __init__(self, target: tuple[str, int], *, proxy: bool = False) -> None:
        self._target, self._proxy = target, proxy
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._carry, args=self._listener.accept()[:1], daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError), socket.create_connection(self._target) as there:
            there.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            back = threading.Thread(target=_pump, args=(there, client), daemon=True)
            back.start()
            head = b"" if self._proxy else b"\r\n\r\n"
            while b"\r\n\r\n" not in head:
                if not (some := client.recv(1)):
                    return
                head += some
            if self._proxy:
                there.sendall(head)
            hello = client.recv(1 << 16)
            there.sendall(hello[: len(hello) // 2])
            time.sleep(PAUSE)
            there.sendall(hello[len(hello) // 2 :])
            _pump(client, there)
            back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
