"""What a fuzz target is: some seeds, and a test that may not raise whatever the bytes are."""

from collections.abc import Iterator
from typing import Protocol


class Target(Protocol):
    """Made once in a process; `test` runs thousands of times a second."""

    def seeds(self) -> Iterator[bytes]:
        """Yield small valid examples, our own."""

    def test(self, data: bytes) -> None:
        """Raise on a mistake of ours."""
