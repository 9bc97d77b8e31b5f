"""Whose a connection is, as the system says it; never a guess."""

import os
import socket
import sys
from pathlib import Path

import pytest

from agent.somebody import ANNE, needs_root, play
from bewust import owners

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells whose a connection is, so far")

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
LINE = "   {n}: {here} {there} 01 00000000:00000000 00:00000000 00000000 {uid:>5}        0 {inode} 1 0 20 4 30 10 -1\n"


def table(folder: Path, *rows: tuple[str, str, int, int], name: str = "tcp") -> Path:
    lines = [LINE.format(n=n, here=a, there=b, uid=uid, inode=inode) for n, (a, b, uid, inode) in enumerate(rows)]
    (folder / name).write_text(HEAD + "".join(lines))
    return folder


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["IPv4", "IPv6"])
def test_a_connection_of_our_own_is_ours(family: socket.AddressFamily) -> None:
    host = "127.0.0.1" if family == socket.AF_INET else "::1"
    try:
        server = socket.create_server((host, 0), family=family)
    except OSError:
        pytest.skip("this machine has no IPv6 on loopback")
    with server, socket.create_connection(server.getsockname()[:2]) as client:
        port, ours = server.getsockname()[1], client.getsockname()[1]
        assert owners.owner_of(ours, port) == os.getuid()
        assert owners.owner_of(ours, port + 1 if port < 65535 else 1) is None, "another server"
        client.close()
        assert owners.owner_of(ours, port) is None, "nobody's any more, and certainly not root's"


@needs_root
def test_a_connection_of_another_login_is_theirs() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        script = "s = socket.create_connection(('127.0.0.1', int(sys.argv[1]))); sys.stdin.read()"
        with play(ANNE, script, port) as theirs:
            connection, (_, client) = server.accept()
            assert owners.owner_of(client, port) == ANNE
            connection.close()
            theirs.communicate()


def test_the_table_is_read_as_the_kernel_writes_it(tmp_path: Path) -> None:
    table(
        tmp_path,
        ("0100007F:1F90", "0100007F:C350", 0, 11),  # the server's own end: 8080 <- 50000
        ("0200A8C0:C350", "0100A8C0:1F90", 1009, 12),  # the same ports, elsewhere
        ("0100007F:C350", "0100007F:1F90", 1001, 13),
        ("0100007F:C351", "0100007F:1F90", 0, 0),  # closed: the kernel keeps it for a while, as nobody's
    )
    table(tmp_path, ("00000000000000000000000001000000:C352", "00000000000000000000000001000000:1F90", 1002, 14),
          ("0000000000000000FFFF00000100007F:C353", "0000000000000000FFFF00000100007F:1F90", 1003, 15),
          ("000080FE000000000000000001000000:C354", "000080FE000000000000000001000000:1F90", 1004, 16),
          name="tcp6")  # fmt: skip
    found = {port: owners.owner_of(port, 8080, tmp_path) for port in range(0xC350, 0xC356)}
    expected = {0xC350: 1001, 0xC351: None, 0xC352: 1002, 0xC353: 1003, 0xC354: 1004, 0xC355: None}
    assert found == expected


@pytest.mark.parametrize("text", ["", HEAD, HEAD + "nonsense\n", HEAD + "a b c d e f g h i j k\n"])
def test_a_table_that_says_nothing_names_nobody(tmp_path: Path, text: str) -> None:
    (tmp_path / "tcp").write_text(text)
    assert owners.owner_of(50000, 8080, tmp_path) is None


def test_a_system_without_tables_names_nobody(tmp_path: Path) -> None:
    assert owners.owner_of(50000, 8080, tmp_path) is None


def test_the_other_end_of_a_local_socket_is_known() -> None:
    one, other = socket.socketpair()
    with one, other:
        assert owners.peer_of(one) == os.getuid()
