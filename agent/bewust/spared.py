"""Imports that another library tries only for its own comfort, kept out.

Belongs here: how. Not here: of what; whoever imports the library knows.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def spared(*names: str) -> Iterator[None]:
    """Within it, importing one of `names` fails as where it is not installed; what is loaded already stays."""
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
