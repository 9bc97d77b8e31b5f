"""Which browsers are there, what others set, and whether the machine has a proxy."""

from pathlib import Path

import pytest

from bewust.browsers import linux
from bewust.errors import AdminError
from support.linux_machine import machine, put


@pytest.mark.parametrize("one", linux.every(), ids=lambda one: one.name)
def test_a_browser_is_there_when_its_program_is(tmp_path: Path, one: linux.Installed) -> None:
    assert linux.installed(machine(tmp_path)) == linux.to_set(tmp_path) == []
    for program in one.build.programs:
        root = machine(tmp_path / program, program)
        assert linux.installed(root) == linux.to_set(root) == [one]


@pytest.mark.parametrize("one", linux.every(), ids=lambda one: one.name)
def test_one_that_left_while_our_policy_stayed_is_still_to_be_set(tmp_path: Path, one: linux.Installed) -> None:
    put(one.file(machine(tmp_path)), {})
    assert (linux.installed(tmp_path), linux.to_set(tmp_path)) == ([], [one])


def test_of_two_files_the_last_counts_and_ours_does_not(tmp_path: Path) -> None:
    put(tmp_path / "10.json", {"a": 1, "b": 1})
    last = put(tmp_path / "20.json", {"b": 2})
    put(tmp_path / linux.OURS, {"c": 3})
    table, origin = linux.set_by_others(tmp_path)
    assert table == {"a": 1, "b": 2} and origin["b"] == last
    assert linux.set_by_others(tmp_path / "none") == ({}, {})


@pytest.mark.parametrize("text", ["{", "[]", '"x"', "[" * 100_000])
def test_a_broken_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "corp.json").write_text(text)
    with pytest.raises(AdminError, match=r"corp\.json"):
        linux.set_by_others(tmp_path)


@pytest.mark.parametrize(("file", "text", "found"), [
    ("etc/environment", "https_proxy=http://p.example:1\n", True),
    ("etc/environment", "https_proxy=\nPATH=/bin\n", False),
    ("etc/profile.d/proxy.sh", 'export HTTP_PROXY="http://p.example:1"\n', True),
    ("etc/profile.d/proxy.sh", "# http_proxy=http://p.example:1\n", False),
    ("etc/dconf/db/local.d/00-proxy", "[system/proxy]\nmode='manual'\n", True),
    ("etc/dconf/db/local.d/00-proxy", "[system/proxy]\nmode='none'\n", False),
])  # fmt: skip
def test_a_proxy_of_the_machine_is_found(tmp_path: Path, file: str, text: str, found: bool) -> None:
    path = machine(tmp_path) / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    assert linux.machine_proxy(tmp_path) == (path if found else None)
