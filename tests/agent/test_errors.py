"""One base for every error of ours, so that a command that ends with one needs to know none of them."""

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType

import bewust
from bewust import errors
from bewust.errors import BewustError

CODES = {value for name, value in vars(errors).items() if name.isupper()}


def modules(package: ModuleType) -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not found.name.endswith("__main__"):
            yield importlib.import_module(found.name)


def test_every_error_of_ours_has_the_one_base_and_a_known_exit_code() -> None:
    ours = {
        value
        for module in modules(bewust)
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Exception) and value.__module__ == module.__name__
    }
    assert len(ours) > 20
    assert [error for error in ours if not issubclass(error, BewustError)] == []
    assert {error.exit_code for error in ours if issubclass(error, BewustError)} <= CODES


def test_each_exit_code_means_one_thing() -> None:
    assert len(CODES | {0, 2}) == 9
