"""What the steps ask of Windows itself: access lists, the root store, the service, processes.

Belongs here: what is asked, one call each, without a decision. Not here: how (windows_machine), when and why
(windows), the registry (windows_registry).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol


class System(Protocol):
    """This machine, or one that a test plays. Every method raises OSError."""

    def is_administrator(self) -> bool:
        """Whether this process may change the machine."""

    def owner(self, path: Path) -> str:
        """Return the security identifier of who owns a file or folder."""

    def me(self) -> str:
        """Return the security identifier of who runs this process."""

    def protect(self, folder: Path, access: str) -> None:
        """Give a folder to the administrators, with an access list (SDDL) that replaces whatever it inherited."""

    def access(self, folder: Path) -> str:
        """Return the access list of a folder as SDDL."""

    def trusted(self, sha1: str) -> bool:
        """Whether the machine's store trusts a root; the SHA-1 in hex names it."""

    def trust(self, der: bytes) -> None:
        """Have the machine's store trust a root; harmless where it does."""

    def distrust(self, sha1: str) -> bytes | None:
        """Have it forget a root; return that as DER, None where it was not there."""

    def command(self) -> str | None:
        """Return the command line of our service; None where there is no such service."""

    def install(self, command: str, account: str) -> None:
        """Make our service, or change it: started with the machine, and again whenever it ends by itself."""

    def remove(self) -> None:
        """Remove our service."""

    def state(self) -> int:
        """Return the state of our service, as windows_service numbers them; stopped where there is none."""

    def start(self, arguments: Sequence[str]) -> None:
        """Have our service started; it may take a while until it runs."""

    def stop(self) -> None:
        """Ask our service to end; harmless where it does not run."""

    def end(self, program: Path) -> None:
        """End every process of a program."""
