"""The kernel is told to watch; tests/addons/test_connection.py tries it with packets that vanish."""

import socket
import sys

import pytest

from bewust_addons import socket_options
from bewust_addons.socket_options import set_site_options


def test_the_kernel_watches_over_a_connection_to_a_site() -> None:
    with socket.socket() as sock:
        set_site_options(sock)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0
        if sys.platform == "linux":
            tcp = [socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_NOTSENT_LOWAT]
            assert [sock.getsockopt(socket.IPPROTO_TCP, option) for option in tcp] == [45, 15, 4, 128 << 10]
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 0, "it ends who only pauses reading"


def test_an_option_that_a_kernel_does_not_know_keeps_nobody_from_connecting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(socket_options.NOT_SENT, 9999, 1)
    with socket.socket() as sock:
        set_site_options(sock)
