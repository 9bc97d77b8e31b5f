"""Whose a connection is, as the system says it; never a guess."""

import os
import socket
import sys
from pathlib import Path

import pytest

from bewust.system import socket_owner
from support.other_accounts import ANNE, needs_root, play

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells whose a connection is, so far")

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
LINE = "   {n}: {here} {there} 01 00000000:00000000 00:00000000 00000000 {uid:>5}        0 {inode} 1 0 20 4 30 10 -1\n"


def table(folder: Path, *rows: tuple[str, str, int, int], name: str = "tcp") -> Path:
    lines = [LINE.format(n=n, here=a, there=b, uid=uid, inode=inode) for n, (a, b, uid, inode) in enumerate(rows)]
    (folder / name).write_text(HEAD + "".join(lines))
    return folder


def test_a_connection_of_our_own_is_ours() -> None:
    server = socket.create_server(("127.0.0.1", 0))
    with server, socket.create_connection(server.getsockname()) as client:
        there, ours = server.getsockname(), client.getsockname()
        assert socket_owner.owner_of(ours, there) == os.getuid()
        assert socket_owner.owner_of(ours, (there[0], there[1] ^ 1)) is None, "another server"
        client.close()
        assert socket_owner.owner_of(ours, there) is None, "nobody's any more, and certainly not root's"


def test_a_client_that_speaks_ipv6_sockets_is_known_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_INET6) as client:
        try:
            client.connect(("::ffff:127.0.0.1", server.getsockname()[1]))
        except OSError:
            return  # no IPv6 on this machine, and so nothing to know
        assert socket_owner.owner_of(("127.0.0.1", client.getsockname()[1]), server.getsockname()) == os.getuid()


def test_all_connections_to_a_server_are_known_by_their_other_end(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ends = [socket.create_connection(server.getsockname()) for _ in range(3)]
        assert socket_owner.owners_of(server.getsockname()) == {end.getsockname(): os.getuid() for end in ends}
        for end in ends:
            end.close()
    table(tmp_path, ("0100007F:0001", "0100007F:0050", 7, 1), ("0100007F:0002", "0100007F:0051", 8, 1))
    table(
        tmp_path, ("0000000000000000FFFF00000900007F:0003", "0000000000000000FFFF00000100007F:0050", 9, 1), name="tcp6"
    )
    if sys.byteorder == "little":
        found = socket_owner.owners_of(("127.0.0.1", 80), tmp_path)
        assert found == {("127.0.0.1", 1): 7, ("127.0.0.9", 3): 9}


@needs_root
def test_the_same_port_on_another_address_of_loopback_is_not_the_same_connection() -> None:
    """Whoever reads a port in the kernel's table can have it too, on 127.0.0.9."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as ours:
        port = ours.getsockname()[1]
        script = (
            "s = socket.socket(); s.bind(('127.0.0.9', int(sys.argv[2])));"
            "s.connect(('127.0.0.1', int(sys.argv[1]))); print('in', flush=True); sys.stdin.read()"
        )
        with play(ANNE, script, server.getsockname()[1], port) as theirs:
            assert theirs.stdout is not None and theirs.stdout.readline() == "in\n"
            assert socket_owner.owner_of(("127.0.0.1", port), server.getsockname()) == os.getuid()
            assert socket_owner.owner_of(("127.0.0.9", port), server.getsockname()) == ANNE
            theirs.communicate()


@needs_root
def test_a_connection_of_another_login_is_theirs() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        script = "s = socket.create_connection(('127.0.0.1', int(sys.argv[1]))); sys.stdin.read()"
        with play(ANNE, script, port) as theirs:
            connection, (_, client) = server.accept()
            assert socket_owner.owner_of(("127.0.0.1", client), server.getsockname()) == ANNE
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
          ("0000000000000000FFFF00000100007F:C354", "0000000000000000FFFF00000100007F:1F90", 1004, 16),
          ("0000000000000000FFFF00000100007F:C354", "0000000000000000FFFF00000100007F:1F90", 1005, 17),
          name="tcp6")  # fmt: skip
    server = ("127.0.0.1", 8080)
    found = {port: socket_owner.owner_of(("127.0.0.1", port), server, tmp_path) for port in range(0xC350, 0xC356)}
    # C352 came from ::1, where nobody listens; C354 is there twice, so nobody knows.
    expected = {0xC350: 1001, 0xC351: None, 0xC352: None, 0xC353: 1003, 0xC354: None, 0xC355: None}
    assert found == expected


@pytest.mark.parametrize("text", ["", HEAD, HEAD + "nonsense\n", HEAD + "a b c d e f g h i j k\n"])
def test_a_table_that_says_nothing_names_nobody(tmp_path: Path, text: str) -> None:
    (tmp_path / "tcp").write_text(text)
    assert socket_owner.owner_of(("127.0.0.1", 50000), ("127.0.0.1", 8080), tmp_path) is None


def test_a_system_without_tables_names_nobody(tmp_path: Path) -> None:
    assert socket_owner.owner_of(("127.0.0.1", 50000), ("127.0.0.1", 8080), tmp_path) is None


def test_the_other_end_of_a_local_socket_is_known() -> None:
    one, other = socket.socketpair()
    with one, other:
        assert socket_owner.peer_of(one) == os.getuid()
