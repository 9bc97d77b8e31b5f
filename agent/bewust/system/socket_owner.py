"""Whose a connection is: the operating system's user at the other end of a socket on this machine.

Belongs here: asking the system. Not here: what is done with the answer, which is an opaque number and
lives in memory only. Linux is asked by a socket of its own (sock_diag), and where that may not be, read
from /proc/net/tcp; Windows tells a session (windows_socket_owner); on macOS nobody is known by a port yet, and
whoever asks must do without (docs/decisions/0012).
"""

import contextlib
import errno
import os
import socket
import struct
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

if sys.platform == "win32":
    from bewust.system import windows_socket_owner

type Address = tuple[str, int]

NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, ANY_STATE = 4, 20, 0xFFFFFFFF

KNOWN = sys.platform in ("linux", "win32")  # whether the system tells at all
_TABLES = Path("/proc/net")
ASKING = ThreadPoolExecutor(4, "owners")  # for all who ask off the event loop; nothing that waits for others goes there
_GONE = "0"  # the inode of a socket whose process has closed it; its uid is then 0, and nobody's


def owner_of(client: Address, server: Address, folder: Path = _TABLES) -> int | None:
    """Return who holds the socket from an IPv4 address to another, on Linux a uid; None where unknown.

    All four parts count: anybody may have the same ports on another address of loopback. Takes some
    milliseconds where a long table has to be read: call it off the event loop.
    """
    if sys.platform == "win32":
        return windows_socket_owner.owner_of(client, server)
    if not KNOWN:
        return None
    if folder == _TABLES:
        with contextlib.suppress(OSError):  # not in every container
            return _asked(client, server)
    ours, theirs = _written(client), _written(server)
    found = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = (folder / table).read_text("ascii").splitlines()[1:]
        except OSError:  # no IPv6 here
            continue
        found |= {owner for line in lines if (owner := _owner(line, ours, theirs)) is not None}
    return found.pop() if len(found) == 1 else None


def _asked(client: Address, server: Address) -> int | None:
    """Ask the kernel about one connection; OSError where it does not answer.

    Source: inet_diag_req_v2 and inet_diag_msg in include/uapi/linux/inet_diag.h of the Linux kernel.
    """
    ends = [struct.pack(">HH", client[1], server[1])]
    ends += [socket.inet_aton(host).ljust(16, b"\0") for host, _ in (client, server)]
    request = struct.pack("=BBBxI", socket.AF_INET, socket.IPPROTO_TCP, 0, ANY_STATE) + b"".join(ends)
    request += struct.pack("=Iq", 0, -1)  # any device, no cookie
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, NETLINK_SOCK_DIAG) as kernel:
        kernel.settimeout(1)
        kernel.send(struct.pack("=IHHII", 16 + len(request), SOCK_DIAG_BY_FAMILY, 1, 0, 0) + request)
        answer = kernel.recv(4096)
    if struct.unpack_from("=IH", answer)[1] != SOCK_DIAG_BY_FAMILY:
        (wrong,) = struct.unpack_from("=i", answer, 16)
        if wrong == -errno.ENOENT:
            return None
        raise OSError(-wrong, "sock_diag")
    uid, inode = struct.unpack_from("=II", answer, 16 + 4 + 48 + 12)
    return uid if inode else None


def owners_of(server: Address, folder: Path = _TABLES) -> dict[Address, int]:
    """Return whose each connection to an IPv4 address of this machine is, by its other end's address."""
    found: dict[Address, int] = {}
    theirs = _written(server)
    for table in ("tcp", "tcp6"):
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


def me() -> int:
    """Return who this process is, in the same numbers."""
    if sys.platform == "win32":
        return windows_socket_owner.me()
    return os.getuid()


def peer_of(connection: socket.socket) -> int | None:
    """Return the uid of the process at the other end of a local socket; None where the system has no word."""
    if sys.platform == "linux":
        raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return int(struct.unpack("3i", raw)[1])
    if sys.platform == "darwin":  # struct xucred of sys/ucred.h: a version, then the uid; not tried by us
        return int(struct.unpack_from("2I", connection.getsockopt(0, 1, 76))[1])
    return None
