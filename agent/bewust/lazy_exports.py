"""The public face of a package: names that are imported from the module that has them when they are first used.

PEP 562. A package's `__init__` may so name all it offers, and importing one module of it loads no other.
"""

from collections.abc import Callable
from importlib import import_module


def lazy_exports(package: str, **modules: str) -> Callable[[str], object]:
    """Return a `__getattr__` for `package`. `modules`: each public name, and the module of the package it is in."""

    def load(name: str) -> object:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{modules[name]}"), name)

    return load
