"""What the inspector replaces of mitmproxy at run time, one module a subject (docs/decisions/0019)."""

from contextlib import ExitStack
from typing import Any

_MISSING = object()


class Patch(ExitStack):
    """Members of mitmproxy's classes and modules that are replaced until this is closed."""

    def replace(self, owner: Any, name: str, value: object) -> None:
        """Set `owner.name`, and put back on closing what was there, or nothing where it was inherited."""
        self.callback(_put_back, owner, name, vars(owner).get(name, _MISSING))
        setattr(owner, name, value)


def _put_back(owner: Any, name: str, before: object) -> None:
    if before is _MISSING:
        delattr(owner, name)
    else:
        setattr(owner, name, before)
