"""Two tables of Windows, as it lays them out; what they say of a connection."""

import socket
import struct

import pytest

from bewust.system.windows_socket_owner import People, Process, Session, TcpRow, listed, numbered, session, tcp_rows

CLIENT, SERVER = ("127.0.0.1", 50000), ("127.0.0.1", 8787)


def row(client: tuple[str, int], server: tuple[str, int], process: int, began: int = 0) -> bytes:
    ends = [*_end(client), *_end(server)]
    return struct.pack("<6Iq128x", 5, *ends, process, began)


def _end(address: tuple[str, int]) -> tuple[int, int]:
    # The upper half of a port's field is undefined, says Microsoft.
    return struct.unpack("<I", socket.inet_aton(address[0]))[0], socket.htons(address[1]) | 0xBEEF0000


def table(*rows: bytes) -> bytes:
    return struct.pack("<I4x", len(rows)) + b"".join(rows)


ADDRESS = 0x7FF0_1234_0000  # where the system wrote the table


def processes(*rows: tuple[int, int, int, str]) -> list[Process]:
    """Entries of 256 bytes, each with its name behind it: process, session, time of creation, name."""
    whole = b""
    for number, (process, found, began, name) in enumerate(rows):
        entry, text = bytearray(256), name.encode("utf-16-le").ljust(64, b"\0")
        last = number == len(rows) - 1
        struct.pack_into("<I", entry, 0, 0 if last else 256 + 64)
        struct.pack_into("<q", entry, 0x20, began)
        if name:
            struct.pack_into("<HHxxxxQ", entry, 0x38, 2 * len(name), 64, ADDRESS + len(whole) + 256)
        struct.pack_into("<Q", entry, 0x50, process)
        struct.pack_into("<I", entry, 0x64, found)
        whole += bytes(entry) + text
    return listed(whole, ADDRESS)


def test_all_four_parts_of_a_connection_count() -> None:
    found = table(
        row(SERVER, CLIENT, 1),  # the agent's own end
        row(("127.0.0.9", 50000), SERVER, 2),
        row(CLIENT, ("127.0.0.1", 8788), 3),
        row(CLIENT, SERVER, 77, 1000),
    )
    assert tcp_rows(found, CLIENT, SERVER) == TcpRow(77, 1000)
    assert tcp_rows(found, ("127.0.0.1", 50001), SERVER) is None
    assert tcp_rows(table(), CLIENT, SERVER) is None


def test_a_connection_without_a_process_is_nobody_s() -> None:
    assert tcp_rows(table(row(CLIENT, SERVER, 0)), CLIENT, SERVER) is None


@pytest.mark.parametrize(("began", "found"), [(0, 2), (999, None), (1000, 2), (1001, 2)])
def test_a_process_that_came_later_has_only_the_number_of_who_connected(began: int, found: int | None) -> None:
    known = processes((4, 0, 1, ""), (9, 2, 500, "csrss.exe"), (77, 2, 1000, "chrome.exe"), (78, 3, 1, "x"))
    assert session(known, TcpRow(77, began)) == (Session(found, 500) if found is not None else None)


def test_a_process_that_is_gone_has_no_session() -> None:
    assert session(processes((4, 0, 1, "")), TcpRow(77, 0)) is None
    assert session([], TcpRow(77, 0)) is None


def test_a_session_begins_with_its_own_csrss_where_there_is_one() -> None:
    known = processes((1, 2, 300, "winlogon.exe"), (2, 2, 200, "CSRSS.EXE"), (3, 1, 100, "csrss.exe"), (4, 3, 5, "x"))
    assert [numbered(known, number).began for number in (1, 2, 3)] == [100, 200, 0]


def test_the_next_person_in_a_session_of_the_same_number_is_somebody_else() -> None:
    people, first, next_ = People(), Session(2, 1000), Session(2, 9000)
    unknown = people.owner_of_connection(first)
    anne = people.note(first, b"S-1-5-anne")
    assert people.owner_of_connection(first) == anne != unknown
    assert people.owner_of_connection(next_) not in (anne, unknown), "nobody has said yet whose it is"
    bert = people.note(next_, b"S-1-5-bert")
    assert people.owner_of_connection(next_) == bert != anne
    assert people.owner_of_connection(first) == unknown, "it has ended"


def test_a_person_is_the_same_in_each_of_their_sessions() -> None:
    people = People()
    assert people.note(Session(1, 5), b"S-1-5-anne") == people.note(Session(4, 7), b"S-1-5-anne")
    assert people.owner_of_connection(Session(1, 5)) == people.owner_of_connection(Session(4, 7))


def test_nobody_known_is_never_a_person_nor_the_one_that_stands_for_nobody() -> None:
    unknown = [Session(number, began).unknown for number in (0, 1, 70_000) for began in (0, 1, 133_000_000_000_000_000)]
    assert len(set(unknown)) == len(unknown) and max(unknown) < -1
