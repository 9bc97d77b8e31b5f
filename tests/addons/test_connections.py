"""Connections of the inspector: how they begin and end, and who waits for whom."""

import socket
import ssl
import threading
import time
from pathlib import Path

from addons.inspecting import CONNECT, Site, connected
from addons.inspectors import inspector
from addons.patches.test_http1 import GET, OK, everything, head_of
from addons.patches.test_http2 import MIB, resident

SIZE = 100  # MiB


def test_a_slow_reader_of_a_large_answer_fills_no_memory(tmp_path: Path) -> None:
    sent = 0

    def serve(connection: ssl.SSLSocket) -> None:
        nonlocal sent
        head_of(connection)
        connection.sendall(OK + b"Content-Length: %d\r\n\r\n" % (SIZE * MIB))
        for _ in range(SIZE):
            connection.sendall(bytes(MIB))
            sent += 1

    with Site(serve, "http/1.1") as site, inspector(site, tmp_path) as (process, port):
        before = resident(process.pid)
        with connected(tmp_path / "root.pem", 0, "http/1.1", proxy=port) as connection:
            connection.sendall(GET)
            time.sleep(1.5)
            assert sent < SIZE / 2, "as much as the system's buffers take, and no more"
            assert resident(process.pid) < before + 30
            read = 0
            while data := connection.recv(65536):
                read += len(data)
            assert read > SIZE * MIB
        assert resident(process.pid) < before + 30


def test_a_site_that_does_not_answer_is_told_to_the_front_before_tls(tmp_path: Path) -> None:
    with Site(lambda connection: None) as site:
        with socket.create_server(("127.0.0.1", 0)) as closed:
            site.port = closed.getsockname()[1]
        with inspector(site, tmp_path) as (_, port), socket.create_connection(("127.0.0.1", port), 10) as front:
            front.sendall(CONNECT)
            assert front.recv(4096).startswith(b"HTTP/1.1 502 ")
            assert front.recv(4096) == b""


def test_what_is_no_tls_passes_as_it_is(tmp_path: Path) -> None:
    plain = socket.create_server(("127.0.0.1", 0))

    def echo() -> None:
        connection, _ = plain.accept()
        while data := connection.recv(100):
            connection.sendall(data)
        connection.close()

    threading.Thread(target=echo, daemon=True).start()
    with Site(lambda connection: None) as site:
        site.port = plain.getsockname()[1]
        with inspector(site, tmp_path) as (_, port), socket.create_connection(("127.0.0.1", port), 10) as front:
            front.sendall(CONNECT)
            assert front.recv(4096).startswith(b"HTTP/1.1 200 ")
            for words in (b"S", b"SH-2.0-x\r\n"):
                front.sendall(words)
            heard = b""
            while len(heard) < 10:
                heard += front.recv(100)
            assert heard == b"SSH-2.0-x\r\n"[: len(heard)]
    plain.close()


def test_an_upload_and_its_answer_pass_each_other(tmp_path: Path) -> None:
    """The site answers while it still reads; neither waits for the other."""

    def serve(connection: ssl.SSLSocket) -> None:
        body = len(head_of(connection).partition(b"\r\n\r\n")[2])
        connection.sendall(OK + b"Content-Length: %d\r\n\r\n" % MIB)
        while body < 8 * MIB:
            body += len(connection.recv(65536))
            if body >= MIB and not done:
                connection.sendall(bytes(MIB))
                done.append(True)

    done: list[bool] = []
    with (
        Site(serve, "http/1.1") as site,
        inspector(site, tmp_path) as (_, port),
        connected(tmp_path / "root.pem", 0, "http/1.1", proxy=port) as connection,
    ):
        connection.sendall(GET.replace(b"GET", b"POST").removesuffix(b"\r\n"))
        connection.sendall(b"Content-Length: %d\r\n\r\n" % (8 * MIB))
        for _ in range(8):
            connection.sendall(bytes(MIB))
        assert everything(connection).endswith(bytes(MIB))
