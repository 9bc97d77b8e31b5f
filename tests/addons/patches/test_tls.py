"""TLS as the browser's end sees it: how many records, and how it ends."""

import socket
import ssl
from contextlib import suppress
from pathlib import Path

from support.hooks import CONNECT, HOST, Site, both, connected
from support.http1 import GET, OK, everything, head_of
from support.inspectors import inspector, told

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


def test_a_site_that_wants_a_certificate_of_ours_is_let_through_from_then_on(tmp_path: Path) -> None:
    """With TLS 1.3 it says so after the handshake; the browser's connection ends, and the next one is the site's own.

    The inspector used to wait for an answer for ever.
    """
    with Site(serve, "http/1.1") as site, inspector(site, tmp_path) as (process, port):
        site._context.verify_mode = ssl.CERT_REQUIRED
        site._context.load_verify_locations(site.root_pem)
        with connected(tmp_path / "root.pem", 0, "http/1.1", proxy=port) as decrypted:
            decrypted.settimeout(10)
            with suppress(ssl.SSLError, ConnectionError):
                decrypted.sendall(GET)
                assert everything(decrypted) == b"", "no page of ours"
        message = told(process)
        assert (message["type"], message["host"]) == ("demoted", HOST)
        with suppress(ssl.SSLError, ConnectionError), connected(site.root_pem, 0, "http/1.1", proxy=port) as spliced:
            spliced.sendall(GET)  # the handshake succeeded with the site's own certificate
            everything(spliced)
