"""Whose a connection is on Windows: the person, by security identifier (SID), whose logon session holds it.

A service under an account of its own may not open another person's process to ask for its user, but anybody may
read which session each process is in, and `bewust session` shows on its pipe whose that session is
(sessions.windows_pipes). A session's number is given to the next person once it has ended; with the time at which its
own
csrss.exe began it is unique. Who is not known by a SID is known by that.
Belongs here: two tables of the system. Not here: other platforms (socket_owner). Sources: GetExtendedTcpTable and
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
# Bytes to the next, time of creation, name (length, address), process, session.
_PROCESS = struct.Struct("<I28xq16xH6xQ8xQ12xI")
_LEADER = "csrss.exe"  # each session has one, from its first moment to its last


class Process(NamedTuple):
    """A process; `began` in Windows' own time."""

    number: int
    session: int
    began: int
    name: str


class Session(NamedTuple):
    """A logon session. `began` is 0 where the system does not tell, as Wine."""

    number: int
    began: int

    @property
    def unknown(self) -> int:
        """Who is in it while no SID is known: an opaque number below all others."""
        return -2 - (self.began << 32 | self.number)


class People:
    """Who is in which session, by SID, as far as that was seen."""

    def __init__(self) -> None:
        self._seen: dict[Session, int] = {}

    def note(self, there: Session, sid: bytes) -> int:
        """Note whose a session is, and return who that is: an opaque number, the same in each of their sessions."""
        # A number belongs to one session at a time: whoever had it before is gone.
        self._seen = {other: who for other, who in self._seen.items() if other.number != there.number}
        self._seen[there] = who = int.from_bytes(sid)
        return who

    def owner_of_connection(self, there: Session) -> int:
        """Return who is in a session."""
        return self._seen.get(there, there.unknown)


class TcpRow(NamedTuple):
    """Which process holds a connection, and when that began, in Windows' own time; 0 where it does not tell."""

    process: int
    began: int


def tcp_rows(table: bytes, client: tuple[str, int], server: tuple[str, int]) -> TcpRow | None:
    """Return who holds the socket from `client` to `server` in a TCP table; None where nobody known does."""
    wanted = _end(client) + _end(server)
    (count,) = _TABLE.unpack_from(table)
    for number in range(count):
        _, ours, our_port, theirs, their_port, process, began = _ROW.unpack_from(
            table, _TABLE.size + number * _ROW_BYTES
        )
        if (ours, our_port & 0xFFFF, theirs, their_port & 0xFFFF) == wanted:
            return TcpRow(process, began) if process else None
    return None


def session(processes: list[Process], holder: TcpRow) -> Session | None:
    """Return the session of a process in the system's list; None where it is gone, and another has its number."""
    for process in processes:
        if process.number == holder.process:
            known = not holder.began or process.began <= holder.began
            return numbered(processes, process.session) if known else None
    return None


def numbered(processes: list[Process], number: int) -> Session:
    """Return the session that has a number now."""
    began = [one.began for one in processes if one.session == number and one.name.lower() == _LEADER]
    return Session(number, min(began, default=0))


def listed(table: bytes, address: int) -> list[Process]:
    """Return the processes in the system's list, which was written at an address: names are behind pointers."""
    return list(_listed(table, address))


def _listed(table: bytes, address: int) -> Iterator[Process]:
    at = 0
    while True:
        step, began, length, name, number, found = _PROCESS.unpack_from(table, at)
        start = name - address
        text = table[start : start + length].decode("utf-16-le", "replace") if 0 <= start < len(table) else ""
        yield Process(number, found, began, text)
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
    _advapi32 = ctypes.WinDLL("advapi32")
    _kernel32.GetCurrentProcess.restype = wintypes.HANDLE
    _kernel32.CloseHandle.argtypes = [wintypes.HANDLE]
    _advapi32.OpenProcessToken.argtypes = [wintypes.HANDLE, wintypes.DWORD, ctypes.POINTER(wintypes.HANDLE)]
    _advapi32.GetTokenInformation.argtypes = [
        wintypes.HANDLE, ctypes.c_int, ctypes.c_void_p, wintypes.DWORD, ctypes.POINTER(wintypes.DWORD),
    ]  # fmt: skip
    _advapi32.GetLengthSid.argtypes, _advapi32.GetLengthSid.restype = [ctypes.c_void_p], wintypes.DWORD
    TOKEN_QUERY, _TOKEN_USER = 8, 1
    _USER_BYTES = 256  # of TOKEN_USER and the SID behind it, which has at most 68
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

    def _processes() -> list[Process]:
        room = _ROOM
        while room <= _MOST:
            size, table = wintypes.ULONG(0), ctypes.create_string_buffer(room)
            status = _ntdll.NtQuerySystemInformation(PROCESSES, table, room, ctypes.byref(size))
            if status & 0xFFFFFFFF != _LENGTH_MISMATCH:
                return listed(table.raw[: size.value], ctypes.addressof(table)) if status >= 0 else []
            room *= 2
        return []

    _people = People()

    def owner_of(client: tuple[str, int], server: tuple[str, int]) -> int | None:
        """Return who holds the socket from an IPv4 address to another; None where unknown."""
        holder = tcp_rows(_tcp(), client, server)
        there = None if holder is None else session(_processes(), holder)
        return None if there is None else _people.owner_of_connection(there)

    def note(number: int, token: int) -> int | None:
        """Note that the session with this number is of the user of a token; return who, None where it does not say."""
        sid = _user(token)
        return None if sid is None else _people.note(numbered(_processes(), number), sid)

    def me() -> int:
        """Return who this process is."""
        number = wintypes.DWORD(0)
        _kernel32.ProcessIdToSessionId(_kernel32.GetCurrentProcessId(), ctypes.byref(number))
        who, token = None, wintypes.HANDLE()
        if _advapi32.OpenProcessToken(_kernel32.GetCurrentProcess(), TOKEN_QUERY, ctypes.byref(token)):
            who = note(number.value, token.value or 0)
            _kernel32.CloseHandle(token)
        return numbered(_processes(), number.value).unknown if who is None else who

    def _user(token: int) -> bytes | None:
        """Return the SID of a token's user. Source: TOKEN_USER, a pointer to the SID that lies behind it."""
        size, about = wintypes.DWORD(0), ctypes.create_string_buffer(_USER_BYTES)
        if not _advapi32.GetTokenInformation(token, _TOKEN_USER, about, _USER_BYTES, ctypes.byref(size)):
            return None
        sid = ctypes.c_void_p.from_buffer(about).value
        return ctypes.string_at(sid, _advapi32.GetLengthSid(sid)) if sid else None
