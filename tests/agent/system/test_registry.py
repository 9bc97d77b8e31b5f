"""The one reader of the registry: nothing elsewhere, on Windows what is really there."""

import sys

import pytest

from bewust.system.registry import local_machine

SZ = 1
VERSION = r"Software\Microsoft\Windows NT\CurrentVersion"
windows = pytest.mark.skipif(sys.platform != "win32", reason="only Windows has a registry")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has one")
def test_elsewhere_there_is_no_registry() -> None:
    assert local_machine() is None


@windows
def test_the_real_registry_gives_values_with_their_types_and_keys() -> None:
    found = local_machine()
    assert found is not None
    values = {name: (data, kind) for name, data, kind in found.values(VERSION)}
    assert isinstance(values["CurrentBuild"][0], str)
    assert values["CurrentBuild"][1] == SZ
    assert "CurrentVersion" in found.keys(r"Software\Microsoft\Windows NT")


@windows
@pytest.mark.parametrize("ask", ["values", "keys"])
def test_a_key_that_is_absent_is_said(ask: str) -> None:
    with pytest.raises(FileNotFoundError):
        getattr(local_machine(), ask)(r"Software\Policies\Bewust\no such key")
