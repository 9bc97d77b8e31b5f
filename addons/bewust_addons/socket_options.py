"""What is watched on a connection to a site: that somebody is there, and that little waits unsent."""

import contextlib
import socket

from bewust.proxy.relay import keep_alive

VANISHED_SECONDS = 20.0  # without an acknowledgement of what was sent; a browser gives HTTP/2 up after 15
# Bytes that are kept unsent, so that a PING does not stand far behind in the queue.
NOT_SENT = {getattr(socket, "TCP_NOTSENT_LOWAT", 0): 128 << 10}


def set_site_options(sock: socket.socket) -> None:
    """Have the kernel notice where a site has gone without a word, as far as it can."""
    keep_alive(sock)
    for option, value in NOT_SENT.items():
        with contextlib.suppress(OSError):  # known to Python, and not to this kernel
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
