"""Whose a connection is: the operating system's user at the other end of a socket on this machine.

Belongs here: asking the system. Not here: what is done with the answer, which is an opaque number and
lives in memory only. Linux is read from /proc/net/tcp; elsewhere nobody is known by a port yet, and
whoever asks must do without (docs/decisions/0012).
"""

import socket
import struct
import sys
from pathlib import Path

type Address = tuple[str, int]

KNOWN = sys.platform == "linux"  # whether the system tells at all
_TABLES = ("tcp", "tcp6")
_GONE = "0"  # the inode of a socket whose process has closed it; its uid is then 0, and nobody's


def owner_of(client: Address, server: Address, folder: Path = Path("/proc/net")) -> int | None:
    """Return the uid that holds the socket from an IPv4 address to another; None where unknown.

    All four parts count: anybody may have the same ports on another address of loopback. Takes some
    milliseconds on a busy machine: call it off the event loop.
    """
    if not KNOWN:
        return None
    ours, theirs = _written(client), _written(server)
    found = set()
    for table in _TABLES:
        try:
            lines = (folder / table).read_text("ascii").splitlines()[1:]
        except OSError:  # no IPv6 here
            continue
        found |= {owner for line in lines if (owner := _owner(line, ours, theirs)) is not None}
    return found.pop() if len(found) == 1 else None


def owners_of(server: Address, folder: Path = Path("/proc/net")) -> dict[Address, int]:
    """Return whose each connection to an IPv4 address of this machine is, by its other end's address."""
    found: dict[Address, int] = {}
    theirs = _written(server)
    for table in _TABLES if KNOWN else ():
        try:
            lines = (folder / table).read_text("ascii").splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            if len(fields) > 9 and fields[2] in theirs and fields[9] != _GONE:
                found[_read(fields[1])] = int(fields[7])
    return found


def _read(written: str) -> Address:
    """Return the IPv4 address that the kernel wrote, plain or mapped: its last four bytes."""
    address, _, port = written.rpartition(":")
    words = bytes.fromhex(address[-8:])
    return socket.inet_ntoa(words[::-1] if sys.byteorder == "little" else words), int(port, 16)


def _owner(line: str, ours: set[str], theirs: set[str]) -> int | None:
    """Return the uid in a line of a table, if it is about this connection.

    A line: "  0: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000 0 12345 ...".
    Source: Documentation/networking/proc_net_tcp.rst of the Linux kernel.
    """
    fields = line.split()
    if len(fields) < 10 or fields[1] not in ours or fields[2] not in theirs or fields[9] == _GONE:
        return None
    return int(fields[7])


def _written(address: Address) -> set[str]:
    """Return an IPv4 address as the kernel writes it, in its own table and mapped in that of IPv6."""
    words = socket.inet_aton(address[0])
    plain = words[::-1].hex().upper() if sys.byteorder == "little" else words.hex().upper()
    mapped = "FFFF0000" if sys.byteorder == "little" else "0000FFFF"
    return {f"{plain}:{address[1]:04X}", f"{'0' * 16}{mapped}{plain}:{address[1]:04X}"}


def peer_of(connection: socket.socket) -> int | None:
    """Return the uid of the process at the other end of a local socket; None where the system has no word."""
    if sys.platform == "linux":
        raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return int(struct.unpack("3i", raw)[1])
    if sys.platform == "darwin":  # struct xucred of sys/ucred.h: a version, then the uid; not tried by us
        return int(struct.unpack_from("2I", connection.getsockopt(0, 1, 76))[1])
    return None
