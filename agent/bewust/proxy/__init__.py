"""The proxy that browsers use: the port, each connection's route, the PAC, and the inspector's process.

Belongs here: connections and bytes. Not here: what is in them (detection), or what follows from it (daemon).
"""

from typing import TYPE_CHECKING

from bewust.lazy_exports import lazy_exports

__all__ = ["ClientConnection", "ConnectionQuota", "Front", "Inspector", "ProxyEvents"]

if TYPE_CHECKING:
    from bewust.proxy.connection import ClientConnection, ProxyEvents
    from bewust.proxy.front import Front
    from bewust.proxy.inspector import Inspector
    from bewust.proxy.quota import ConnectionQuota
else:
    __getattr__ = lazy_exports(
        __name__,
        ClientConnection="connection",
        ConnectionQuota="quota",
        Front="front",
        Inspector="inspector",
        ProxyEvents="connection",
    )
