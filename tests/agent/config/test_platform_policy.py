"""The registry and a property list become the same plain tables; what cannot be read is one clear line."""

import os
import plistlib
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from bewust.config import platform_policy
from bewust.config.platform_policy import KEY, REGISTRY, Layer, LayerError

SZ, EXPAND_SZ, BINARY, DWORD, MULTI_SZ = 1, 2, 3, 4, 7


class FakeRegistry:
    """Holds the values of our one key; None is a key that does not exist."""

    def __init__(self, values: Iterable[tuple[str, Any, int]] | None, error: OSError | None = None) -> None:
        self.found, self.error = values, error

    def values(self, key: str) -> Sequence[tuple[str, Any, int]]:
        assert key == KEY
        if self.error is not None:
            raise self.error
        if self.found is None:
            raise FileNotFoundError(2, "The system cannot find the file specified")
        return list(self.found)

    def keys(self, key: str) -> Sequence[str]:
        return []


# The folder.


def test_the_folder_is_where_only_an_administrator_writes() -> None:
    assert platform_policy.folder("linux", {}) == Path("/etc/bewust")
    assert platform_policy.folder("darwin", {}) == Path("/Library/Application Support/Bewust")
    assert platform_policy.folder("win32", {"ProgramData": "D:\\Data"}) == Path("D:\\Data", "Bewust", "config")
    assert platform_policy.folder("win32", {}) == Path("C:\\ProgramData", "Bewust", "config")


# The registry.


def test_dotted_names_become_tables_of_their_own_types() -> None:
    registry = FakeRegistry(
        [
            ("reminders.silent", 1, DWORD),
            ("reminders.gap", "1h", SZ),
            ("language", "en", EXPAND_SZ),
            ("internal_hosts", ["a.example", "b.example"], MULTI_SZ),
            ("service.chatgpt.status", "uncontracted", SZ),
            ("", "what regedit shows as (Default)", SZ),
        ]
    )
    table = {
        "reminders": {"silent": 1, "gap": "1h"},
        "language": "en",
        "internal_hosts": ["a.example", "b.example"],
        "service": {"chatgpt": {"status": "uncontracted"}},
    }
    assert platform_policy.of_registry(registry) == (Layer(REGISTRY, table, loose=True),)


@pytest.mark.parametrize(
    "text", [("[fill]\ncontact = 'CIO'", SZ), (["[fill]", "contact = 'CIO'"], MULTI_SZ)], ids=["one text", "lines"]
)
def test_the_value_policy_is_toml_below_the_others(text: tuple[Any, int]) -> None:
    below, above = platform_policy.of_registry(FakeRegistry([("Policy", *text), ("language", "en", SZ)]))
    assert below == Layer(f"{REGISTRY}: Policy", {"fill": {"contact": "CIO"}})
    assert above == Layer(REGISTRY, {"language": "en"}, loose=True)


@pytest.mark.parametrize("values", [None, [], [("", "x", SZ)]], ids=["no key", "an empty key", "only its default"])
def test_where_nothing_is_managed_there_is_no_layer(values: list[tuple[str, Any, int]] | None) -> None:
    assert platform_policy.of_registry(FakeRegistry(values)) == ()


@pytest.mark.parametrize(
    ("values", "names", "helps"),
    [
        pytest.param([("flush", b"\0", BINARY)], "flush", "REG_DWORD", id="bytes"),
        pytest.param([("policy", "language = nl", SZ)], "policy", "not TOML", id="a policy that is no TOML"),
        pytest.param([("page", 1, DWORD), ("page.delete", 0, DWORD)], "page.delete", "Remove one", id="a table too"),
        pytest.param([("a.b", 1, DWORD), ("a.b.c", 1, DWORD)], "a.b.c", "Remove one", id="a table too, deeper"),
        pytest.param([("a", 1, DWORD), ("a", 1, DWORD)], "a", "Remove", id="a name twice"),
    ],
)
def test_a_mistake_names_the_value_and_says_what_to_do(
    values: list[tuple[str, Any, int]], names: str, helps: str
) -> None:
    with pytest.raises(LayerError) as error:
        platform_policy.of_registry(FakeRegistry(values))
    assert str(error.value).startswith(f"{REGISTRY}: {names}: ")
    assert helps in str(error.value)


def test_a_key_that_may_not_be_read_is_no_empty_policy() -> None:
    with pytest.raises(LayerError, match=r"cannot be read .*Access is denied.*Check"):
        platform_policy.of_registry(FakeRegistry(None, PermissionError(13, "Access is denied")))


# The property list.


@pytest.mark.parametrize("form", [plistlib.FMT_XML, plistlib.FMT_BINARY], ids=["xml", "binary"])
def test_a_property_list_is_read_without_what_its_profile_left_in_it(
    tmp_path: Path, form: plistlib.PlistFormat
) -> None:
    file = tmp_path / "nl.bewust.plist"
    settings = {"reminders": {"silent": True, "daily": 3}, "internal_hosts": ["a.example"]}
    file.write_bytes(plistlib.dumps(settings | {"PayloadUUID": "0E9C"}, fmt=form))
    assert platform_policy.of_plist(file) == (Layer(str(file), settings),)
    assert platform_policy.of_plist(tmp_path / "none.plist") == ()


@pytest.mark.parametrize(
    "data",
    [b"", b"<plist>", b"bplist00", b"bplist00" + b"\xff" * 40, b"[reminders]", plistlib.dumps(["a", "list"])],
    ids=["empty", "half", "a binary head", "damaged", "TOML", "a list"],
)
def test_what_is_no_property_list_names_the_file(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "nl.bewust.plist"
    file.write_bytes(data)
    with pytest.raises(LayerError) as error:
        platform_policy.of_plist(file)
    assert str(error.value).startswith(f"{file}: is no ")
    assert str(error.value).endswith("Correct the profile that it comes from.")


# This machine.


def test_this_machine_answers_for_its_platform(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "nl.bewust.plist"
    file.write_bytes(plistlib.dumps({"language": "en"}))
    monkeypatch.setattr(platform_policy, "PLIST", file)
    monkeypatch.setattr(platform_policy, "local_machine", lambda: None)
    monkeypatch.setattr(sys, "platform", "linux")
    assert (platform_policy.layers(), platform_policy.mark()) == ((), None)
    monkeypatch.setattr(sys, "platform", "darwin")
    assert platform_policy.layers() == (Layer(str(file), {"language": "en"}),)
    monkeypatch.setattr(platform_policy, "local_machine", lambda: FakeRegistry([("language", "nl", SZ)]))
    assert platform_policy.layers() == (Layer(REGISTRY, {"language": "nl"}, loose=True),)


def test_the_mark_changes_with_what_is_managed_and_with_nothing_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def mark(values: list[tuple[str, Any, int]] | None) -> object:
        monkeypatch.setattr(platform_policy, "local_machine", lambda: FakeRegistry(values))
        return platform_policy.mark()

    one, two = ("language", "nl", SZ), ("reminders.daily", 1, DWORD)
    assert mark(None) is None
    assert mark([one, two]) == mark([two, one])
    assert len({mark([]), mark([one]), mark([two]), mark([one, two]), mark([("language", "en", SZ)])}) == 5

    monkeypatch.setattr(platform_policy, "local_machine", lambda: None)
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(platform_policy, "PLIST", tmp_path / "x.plist")
    assert platform_policy.mark() is None
    (tmp_path / "x.plist").write_bytes(b"1")
    before = platform_policy.mark()
    (tmp_path / "x.plist").write_bytes(b"2")
    assert before is not None
    assert before != platform_policy.mark()


# Files.


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_what_might_never_end_is_not_read(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "policy.toml"
    if kind == "folder":
        file.mkdir()
    elif not hasattr(os, "mkfifo"):
        pytest.skip("Windows has no such files")
    elif kind == "pipe":
        os.mkfifo(file)
    else:
        file.symlink_to("/dev/zero")
    with pytest.raises(LayerError, match=r"policy.toml: is no ordinary file\. Put one there"):
        platform_policy.read(file)


def test_a_link_to_a_file_is_read_and_one_to_nowhere_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"x")
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "broken").symlink_to("gone")
    assert platform_policy.read(tmp_path / "link") == b"x"
    with pytest.raises(LayerError, match="broken: cannot be read"):
        platform_policy.read(tmp_path / "broken")
