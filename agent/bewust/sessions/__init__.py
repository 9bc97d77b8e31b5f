"""The service's socket and its clients: one light process for each login, which shows that login's reminders.

Who a session belongs to is what the operating system says of the socket. Imports nothing heavy: every login runs one.
"""

from typing import TYPE_CHECKING

from bewust.lazy_exports import lazy_exports

__all__ = ["Desktop", "Logins", "RemoteDesktop", "Session"]

if TYPE_CHECKING:
    from bewust.sessions.client import Desktop, Session
    from bewust.sessions.server import Logins, RemoteDesktop
else:
    __getattr__ = lazy_exports(__name__, Desktop="client", Logins="server", RemoteDesktop="server", Session="client")
