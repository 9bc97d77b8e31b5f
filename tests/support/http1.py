"""HTTP/1 as bytes."""

import ssl

GET = b"GET /complete/x HTTP/1.1\r\nHost: www.google.nl\r\nConnection: close\r\n\r\n"


OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"


def everything(connection: ssl.SSLSocket) -> bytes:
    raw = b""
    while data := connection.recv(65536):
        raw += data
    return raw


def head_of(connection: ssl.SSLSocket) -> bytes:
    raw = b""
    while b"\r\n\r\n" not in raw:
        data = connection.recv(65536)
        if not data:
            break
        raw += data
    return raw
