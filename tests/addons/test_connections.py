"""Connections of the inspector: how they begin and end, and who waits for whom."""

import asyncio
import socket
import ssl
import threading
import time
from pathlib import Path

import pytest
from mitmproxy.http import HTTPFlow, Response
from mitmproxy.options import Options

from addons.inspecting import HOST, Site, connected, inspector
from addons.test_http1 import GET, OK, everything, head_of
from addons.test_http2 import MIB, resident
from bewust_addons.connections import Asking, Setup
from bewust_addons.hooks import Hooks

SIZE = 100  # MiB
CONNECT = f"CONNECT {HOST}:443 HTTP/1.1\r\nHost: {HOST}:443\r\n\r\n".encode()


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
        site._listening.close()
        with inspector(site, tmp_path) as (_, port), socket.create_connection(("127.0.0.1", port), 10) as front:
            front.sendall(CONNECT)
            assert front.recv(4096).startswith(b"HTTP/1.1 502 ")
            assert front.recv(4096) == b""


@pytest.mark.parametrize(
    "said", [b"GET http://www.google.nl/ HTTP/1.1\r\n\r\n", b"\r\n\r\n", b"CONNECT x\r\n\r\n", bytes(20_000)]
)
def test_who_asks_for_anything_but_a_tunnel_is_refused(tmp_path: Path, said: bytes) -> None:
    with (
        Site(lambda connection: None) as site,
        inspector(site, tmp_path) as (_, port),
        socket.create_connection(("127.0.0.1", port), 10) as front,
    ):
        front.sendall(said)
        assert front.recv(4096).startswith(b"HTTP/1.1 400 ")


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


class Doorkeeper:
    """An addon that refuses a tunnel as with mitmproxy."""

    def http_connect(self, flow: HTTPFlow) -> None:
        if flow.request.headers.get("x-secret") != "open":
            flow.response = Response.make(407)


@pytest.mark.parametrize(("secret", "status"), [("", "407"), ("X-Secret: open\r\n", "502")])
def test_a_hook_may_refuse_a_tunnel(secret: str, status: str) -> None:
    async def ask() -> bytes:
        loop = asyncio.get_running_loop()
        setup = Setup(Options(), Hooks([Doorkeeper()]))
        server = await loop.create_server(lambda: Asking(setup), "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        closed = socket.create_server(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        closed.close()
        writer.write(f"CONNECT localhost:{port} HTTP/1.1\r\nHost: localhost\r\n{secret}\r\n".encode())
        answer = await reader.read()
        writer.close()
        server.close()
        return answer

    assert asyncio.run(ask()).split(b" ")[1].decode() == status
