"""Two tables of Windows, as it lays them out; what they say of a connection."""

import socket
import struct

import pytest

from bewust.windows_owners import Held, held, session

CLIENT, SERVER = ("127.0.0.1", 50000), ("127.0.0.1", 8787)


def row(client: tuple[str, int], server: tuple[str, int], process: int, began: int = 0) -> bytes:
    ends = [*_end(client), *_end(server)]
    return struct.pack("<6Iq128x", 5, *ends, process, began)


def _end(address: tuple[str, int]) -> tuple[int, int]:
    # The upper half of a port's field is undefined, says Microsoft.
    return struct.unpack("<I", socket.inet_aton(address[0]))[0], socket.htons(address[1]) | 0xBEEF0000


def table(*rows: bytes) -> bytes:
    return struct.pack("<I4x", len(rows)) + b"".join(rows)


def processes(*listed: tuple[int, int, int]) -> bytes:
    """Entries of 256 bytes: process, session, time of creation."""
    whole = b""
    for number, (process, found, began) in enumerate(listed):
        entry = bytearray(256)
        struct.pack_into("<I", entry, 0, 0 if number == len(listed) - 1 else 256)
        struct.pack_into("<q", entry, 0x20, began)
        struct.pack_into("<Q", entry, 0x50, process)
        struct.pack_into("<I", entry, 0x64, found)
        whole += bytes(entry)
    return whole


def test_all_four_parts_of_a_connection_count() -> None:
    found = table(
        row(SERVER, CLIENT, 1),  # the agent's own end
        row(("127.0.0.9", 50000), SERVER, 2),
        row(CLIENT, ("127.0.0.1", 8788), 3),
        row(CLIENT, SERVER, 77, 1000),
    )
    assert held(found, CLIENT, SERVER) == Held(77, 1000)
    assert held(found, ("127.0.0.1", 50001), SERVER) is None
    assert held(table(), CLIENT, SERVER) is None


def test_a_connection_without_a_process_is_nobody_s() -> None:
    assert held(table(row(CLIENT, SERVER, 0)), CLIENT, SERVER) is None


@pytest.mark.parametrize(("began", "found"), [(0, 2), (999, None), (1000, 2), (1001, 2)])
def test_a_process_that_came_later_has_only_the_number_of_who_connected(began: int, found: int | None) -> None:
    listed = processes((4, 0, 1), (77, 2, 1000), (78, 3, 1))
    assert session(listed, Held(77, began)) == found


def test_a_process_that_is_gone_has_no_session() -> None:
    assert session(processes((4, 0, 1)), Held(77, 0)) is None
