"""What a supervisor of processes hands us and hears from us: systemd's two protocols, and silence elsewhere.

Belongs here: a port that is held open across restarts, ready, alive. Sources: sd_listen_fds(3),
sd_notify(3), sd_watchdog_enabled(3).
"""

import contextlib
import os
import socket
import sys

FIRST = 3  # the first descriptor that is handed over


def activated_socket() -> socket.socket | None:
    """Return the listening socket that we were started with; None where we open our own."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or os.environ.get("LISTEN_FDS") != "1":
        return None
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        os.environ.pop(name, None)  # it is not our children's
    os.set_inheritable(FIRST, False)
    return socket.socket(fileno=FIRST)


def watchdog_seconds() -> float | None:
    """Return how many seconds may pass between two signs of life; None where nobody watches."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    try:
        return int(os.environ["WATCHDOG_USEC"]) / 1e6
    except (KeyError, ValueError):
        return None


def sd_notify(state: str) -> None:
    """Tell the supervisor, such as "READY=1"; nothing where there is none."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if sys.platform != "linux" or not address.startswith(("/", "@")):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out, contextlib.suppress(OSError):
        out.connect("\0" + address[1:] if address.startswith("@") else address)
        out.sendall(state.encode())
