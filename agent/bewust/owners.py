"""Whose a connection is: the operating system's user at the other end of a socket on this machine.

Belongs here: asking the system. Not here: what is done with the answer, which is an opaque number and
lives in memory only. Linux is read from /proc/net/tcp; elsewhere nobody is known by a port yet, and
whoever asks must do without (docs/decisions/0012).
"""

import socket
import struct
import sys
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

_TABLES = ("tcp", "tcp6")
_GONE = "0"  # the inode of a socket whose process has closed it; its uid is then 0, and nobody's


def owner_of(port: int, server: int, folder: Path = Path("/proc/net")) -> int | None:
    """Return the uid that holds the socket from loopback port `port` to `server`; None where unknown.

    Takes some milliseconds on a busy machine: call it off the event loop.
    """
    if sys.platform != "linux":
        return None
    lines: Iterable[str] = ()
    for table in _TABLES:
        try:
            lines = chain(lines, (folder / table).read_text("ascii").splitlines()[1:])
        except OSError:  # no IPv6 here
            continue
    return _find(lines, port, server)


def _find(lines: Iterable[str], port: int, server: int) -> int | None:
    """Return the uid in the line of a table that is about this connection.

    A line: "  0: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000 0 12345 ...".
    Source: Documentation/networking/proc_net_tcp.rst of the Linux kernel.
    """
    ends = f":{port:04X}", f":{server:04X}"
    for line in lines:
        fields = line.split()
        if len(fields) > 9 and (fields[1][-5:], fields[2][-5:]) == ends and _here(fields[1]) and _here(fields[2]):
            return int(fields[7]) if fields[9] != _GONE else None
    return None


def _here(address: str) -> bool:
    """Whether a kernel's address, in hexadecimal of the machine's byte order, is of this machine's loopback."""
    number = address.partition(":")[0]
    word = bytes.fromhex(number[-8:])
    last = word[::-1] if sys.byteorder == "little" else word
    if len(number) == 8:
        return last[0] == 127
    return last == b"\0\0\0\1" or last[0] == 127  # ::1, or 127.0.0.1 written as an IPv6 address


def peer_of(connection: socket.socket) -> int | None:
    """Return the uid of the process at the other end of a local socket; None where the system has no word."""
    if sys.platform == "linux":
        raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return int(struct.unpack("3i", raw)[1])
    if sys.platform == "darwin":  # struct xucred of sys/ucred.h: a version, then the uid; not tried by us
        return int(struct.unpack_from("2I", connection.getsockopt(0, 1, 76))[1])
    return None
