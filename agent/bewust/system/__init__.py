"""What the operating system is asked and told: the owner of a socket, the clock, systemd, Windows services."""

from typing import TYPE_CHECKING

from bewust.lazy_exports import lazy_exports

__all__ = ["Clock", "owner_of"]

if TYPE_CHECKING:
    from bewust.system.clock import Clock
    from bewust.system.socket_owner import owner_of
else:
    __getattr__ = lazy_exports(__name__, Clock="clock", owner_of="socket_owner")
