"""A name server that does not answer, for names that begin with "dead"; every other name leads to this machine."""

import socket
import threading

import pytest


def dead_dns(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Put it in place of the system's; once the returned event is set, dead names have no address."""
    answer = threading.Event()

    def getaddrinfo(host: str, port: int, *args: object, **how: object) -> list[object]:
        if host.startswith("dead"):
            answer.wait(60)
            raise socket.gaierror(socket.EAI_AGAIN, "no server answers")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return answer
