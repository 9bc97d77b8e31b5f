"""What a site says over HTTP/1, directly and decrypted: the same, byte for byte but for the chunks."""

import ssl
from pathlib import Path
from typing import NamedTuple

import pytest

from support.hooks import Site, both
from support.http1 import GET, OK, everything, head_of

LARGE = b"x-large: " + b"y" * 200_000
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
RANGE = b"HTTP/1.1 206 Partial Content\r\nConnection: close\r\nContent-Range: bytes 1-3/5\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n"
ANSWERS: dict[str, tuple[bytes, bytes]] = {
    "with a length": (GET, OK + b"Content-Length: 5\r\n\r\nhello"),
    "empty": (GET, OK + b"Content-Length: 0\r\n\r\n"),
    "until it closes": (GET, OK + b"\r\nhello"),
    "of HTTP/1.0": (GET, b"HTTP/1.0 200 OK\r\nX-A: 1\r\n\r\nhello"),
    "in chunks": (GET, CHUNKED + b"\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n"),
    "in chunks with extensions": (GET, CHUNKED + b'\r\n5;name=value;b="c;d"\r\nhello\r\n0;last\r\n\r\n'),
    "with trailers": (GET, CHUNKED + b"Trailer: X-Sum, X-B\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\nX-B: 2\r\n\r\n"),
    "to HEAD": (GET.replace(b"GET", b"HEAD"), OK + b"Content-Length: 500\r\n\r\n"),
    "to HEAD, chunked": (GET.replace(b"GET", b"HEAD"), CHUNKED + b"\r\n"),
    "204": (GET, b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"),
    "304 with a length": (GET, b"HTTP/1.1 304 Not Modified\r\nConnection: close\r\nContent-Length: 500\r\n\r\n"),
    "a range": (
        GET.replace(b"\r\n\r\n", b"\r\nRange: bytes=1-3\r\n\r\n"),
        RANGE + b"Content-Length: 3\r\n\r\nell",
    ),
    "after early hints": (
        GET, HINTS + OK + b"Content-Length: 5\r\n\r\nhello",
    ),
    "with an absurd header": (GET, OK + LARGE + b"\r\nContent-Length: 5\r\n\r\nhello"),
    "an unknown status without a reason": (GET, b"HTTP/1.1 299 \r\nConnection: close\r\nContent-Length: 0\r\n\r\n"),
    "to an absurd header": (GET.replace(b"\r\n\r\n", b"\r\n" + LARGE + b"\r\n\r\n"), OK + b"Content-Length: 0\r\n\r\n"),
}  # fmt: skip


class Said(NamedTuple):
    """All that a site said, with its body out of the chunks."""

    heads: tuple[bytes, ...]
    body: bytes
    trailers: bytes


def parsed(raw: bytes) -> Said:
    heads = []
    while True:
        head, _, raw = raw.partition(b"\r\n\r\n")
        heads.append(head)
        if not head.startswith(b"HTTP/1.1 1"):
            break
    if b"transfer-encoding: chunked" not in head.lower() or not raw:
        return Said(tuple(heads), raw, b"")
    body = b""
    while True:
        size, _, raw = raw.partition(b"\r\n")
        count = int(size.partition(b";")[0], 16)
        if count == 0:
            return Said(tuple(heads), body, raw)
        body, raw = body + raw[:count], raw[count + 2 :]


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_comes_as_the_site_gave_it(tmp_path: Path, name: str) -> None:
    request, answer = ANSWERS[name]
    requests = []

    def serve(connection: ssl.SSLSocket) -> None:
        requests.append(head_of(connection))
        connection.sendall(answer)

    said = []
    with Site(serve, "http/1.1") as site:
        for connection in both(site, tmp_path, "http/1.1"):
            connection.sendall(request)
            said.append(parsed(everything(connection)))
    assert said[0] == said[1]
    assert requests == [request, request]


def test_an_answer_in_pieces_of_a_byte_is_read_as_well(tmp_path: Path) -> None:
    def serve(connection: ssl.SSLSocket) -> None:
        head_of(connection)
        for at in range(len(answer)):
            connection.sendall(answer[at : at + 1])

    said = []
    answer = b"HTTP/1.1 102 Processing\r\n\r\n" + ANSWERS["with trailers"][1]
    with Site(serve, "http/1.1") as site:
        for connection in both(site, tmp_path, "http/1.1"):
            connection.sendall(GET)
            said.append(parsed(everything(connection)))
    assert said[0] == said[1] == parsed(answer)


def test_who_expects_100_continue_gets_it_and_the_body_arrives(tmp_path: Path) -> None:
    bodies = []

    def serve(connection: ssl.SSLSocket) -> None:
        raw = head_of(connection)
        if b"expect" in raw.lower():
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = raw.partition(b"\r\n\r\n")[2]
        while len(body) < 5:
            body += connection.recv(10)
        bodies.append(body)
        connection.sendall(OK + b"Content-Length: 2\r\n\r\nok")

    said = []
    post = GET.replace(b"GET", b"POST").removesuffix(b"\r\n") + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    with Site(serve, "http/1.1") as site:
        for connection in both(site, tmp_path, "http/1.1"):
            connection.sendall(post)
            early = head_of(connection)
            connection.sendall(b"hello")
            said.append((early.split(b"\r\n")[0], parsed(everything(connection))))
    assert said[0] == said[1]
    assert bodies == [b"hello"] * 2


def test_trailers_of_a_request_reach_the_site(tmp_path: Path) -> None:
    ends = []

    def serve(connection: ssl.SSLSocket) -> None:
        raw = b""
        while not raw.endswith(b"X-Sum: 1\r\n\r\n"):
            raw += connection.recv(65536)
        ends.append(parsed(raw))
        connection.sendall(OK + b"Content-Length: 0\r\n\r\n")

    post = GET.replace(b"GET", b"POST").removesuffix(b"\r\n")
    post += b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"
    with Site(serve, "http/1.1") as site:
        for connection in both(site, tmp_path, "http/1.1"):
            connection.sendall(post)
            everything(connection)
    assert ends[0] == ends[1]
