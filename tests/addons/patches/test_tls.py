"""TLS as the browser's end sees it: how many records, and how it ends."""

import socket
import ssl
from pathlib import Path

from addons.inspecting import CONNECT, HOST, Site, both
from addons.inspectors import inspector
from addons.patches.test_http1 import GET, OK, everything, head_of

APPLICATION_DATA = 23  # RFC 8446, section 5.1


def serve(connection: ssl.SSLSocket) -> None:
    head_of(connection)
    connection.sendall(OK + b"Content-Length: 5\r\n\r\n")
    connection.sendall(b"hello")


def records(raw: bytes) -> int:
    """How many records of application data there are."""
    count = 0
    while len(raw) > 5:
        size = int.from_bytes(raw[3:5])
        count += raw[0] == APPLICATION_DATA
        raw = raw[5 + size :]
    return count


def test_what_is_said_together_is_one_record(tmp_path: Path) -> None:
    def at_once(connection: ssl.SSLSocket) -> None:
        head_of(connection)
        connection.sendall(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n")

    with Site(at_once, "http/1.1") as site, inspector(site, tmp_path) as (_, port):
        plain = socket.create_connection(("127.0.0.1", port), 20)
        plain.sendall(CONNECT)
        plain.recv(4096)
        context = ssl.create_default_context(cafile=str(tmp_path / "root.pem"))
        context.maximum_version = ssl.TLSVersion.TLSv1_2  # no tickets after the handshake
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        talk = context.wrap_bio(incoming, outgoing, server_hostname=HOST)
        while True:
            try:
                talk.do_handshake()
                break
            except ssl.SSLWantReadError:
                plain.sendall(outgoing.read())
                incoming.write(plain.recv(65536))
        talk.write(GET.replace(b"Connection: close\r\n", b""))
        plain.sendall(outgoing.read())
        raw = plain.recv(65536)
        incoming.write(raw)
        assert b"hello" in talk.read()
        assert records(raw) == 1
        plain.close()


def test_a_site_that_takes_leave_and_one_that_just_goes_are_told_apart_from_nothing(tmp_path: Path) -> None:
    """The browser gets every byte and then the end, however the site ended its TLS."""
    for leave in (True, False):

        def until_the_end(connection: ssl.SSLSocket, leave: bool = leave) -> None:
            head_of(connection)
            connection.sendall(OK + b"\r\n" + b"x" * 100_000)
            if leave:
                connection.settimeout(1)
                connection.unwrap()

        with Site(until_the_end, "http/1.1") as site:
            said = []
            for connection in both(site, tmp_path / str(leave), "http/1.1"):
                connection.sendall(GET)
                said.append(everything(connection))
        assert said[0] == said[1]
        assert said[0].endswith(b"x" * 100_000)
