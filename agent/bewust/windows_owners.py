"""Whose a connection is on Windows: the logon session of the process that holds it.

A service under an account of its own may not open another person's process to ask for its user, but anybody may
read which session each process is in. A session is one desktop, so that is who is to be reminded: an opaque number
that lives in memory only. 0 is that of services, where nobody looks.
Belongs here: two tables of the system. Not here: other platforms (owners). Sources: GetExtendedTcpTable and
MIB_TCPROW_OWNER_MODULE, NtQuerySystemInformation and SYSTEM_PROCESS_INFORMATION, in Microsoft's documentation and
in phnt's ntexapi.h for the fields that the first calls reserved.
"""

import socket
import struct
import sys
from collections.abc import Iterator
from typing import NamedTuple

CONNECTIONS = 7  # TCP_TABLE_OWNER_MODULE_CONNECTIONS
PROCESSES = 5  # SystemProcessInformation
_TABLE, _ROW = struct.Struct("<I4x"), struct.Struct("<6Iq")  # the count; state, two ends, process, time
_ROW_BYTES = 160
_PROCESS = struct.Struct("<I28xq40xQ12xI")  # bytes to the next, time of creation, process, session


class Held(NamedTuple):
    """Which process holds a connection, and when that began, in Windows' own time; 0 where it does not tell."""

    process: int
    began: int


def held(table: bytes, client: tuple[str, int], server: tuple[str, int]) -> Held | None:
    """Return who holds the socket from `client` to `server` in a TCP table; None where nobody known does."""
    wanted = _end(client) + _end(server)
    (count,) = _TABLE.unpack_from(table)
    for number in range(count):
        _, ours, our_port, theirs, their_port, process, began = _ROW.unpack_from(
            table, _TABLE.size + number * _ROW_BYTES
        )
        if (ours, our_port & 0xFFFF, theirs, their_port & 0xFFFF) == wanted:
            return Held(process, began) if process else None
    return None


def session(processes: bytes, holder: Held) -> int | None:
    """Return the session of a process in the system's list; None where it is gone, and another has its number."""
    for process, found, began in _listed(processes):
        if process == holder.process:
            return found if not holder.began or began <= holder.began else None
    return None


def _listed(processes: bytes) -> Iterator[tuple[int, int, int]]:
    at = 0
    while True:
        step, began, process, found = _PROCESS.unpack_from(processes, at)
        yield process, found, began
        if not step:
            return
        at += step


def _end(address: tuple[str, int]) -> tuple[int, int]:
    """Return an end of a connection as the table has it: both in the order of the network."""
    (ip,) = struct.unpack("<I", socket.inet_aton(address[0]))
    return ip, socket.htons(address[1])


if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    _iphlpapi, _ntdll, _kernel32 = ctypes.WinDLL("iphlpapi"), ctypes.WinDLL("ntdll"), ctypes.WinDLL("kernel32")
    _TOO_SMALL, _LENGTH_MISMATCH = 122, 0xC0000004
    _ROOM = 256 << 10  # bytes, more than a workstation needs
    _MOST = 64 << 20

    def _tcp() -> bytes:
        size = wintypes.DWORD(_ROOM)
        while size.value <= _MOST:
            table = ctypes.create_string_buffer(size.value)
            wrong = _iphlpapi.GetExtendedTcpTable(table, ctypes.byref(size), False, int(socket.AF_INET), CONNECTIONS, 0)
            if wrong != _TOO_SMALL:
                return table.raw[: size.value] if not wrong else _TABLE.pack(0)
            size.value += _ROOM  # it grows while we ask
        return _TABLE.pack(0)

    def _processes() -> bytes:
        room = _ROOM
        while room <= _MOST:
            size, listed = wintypes.ULONG(0), ctypes.create_string_buffer(room)
            status = _ntdll.NtQuerySystemInformation(PROCESSES, listed, room, ctypes.byref(size))
            if status & 0xFFFFFFFF != _LENGTH_MISMATCH:
                return listed.raw[: size.value] if status >= 0 else bytes(0x100)
            room *= 2
        return bytes(0x100)

    def owner_of(client: tuple[str, int], server: tuple[str, int]) -> int | None:
        """Return the session that holds the socket from an IPv4 address to another; None where unknown."""
        holder = held(_tcp(), client, server)
        return None if holder is None else session(_processes(), holder)

    def me() -> int:
        """Return the session that this process is in."""
        found = wintypes.DWORD(0)
        _kernel32.ProcessIdToSessionId(_kernel32.GetCurrentProcessId(), ctypes.byref(found))
        return found.value
