"""The bill of materials, read back by its description: every path, in an order in which it can be looked up."""

import shutil
import stat
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from installer.macos.bom import LEAF, bom, cksum
from installer.macos.payload import Entry

from support.mac_binaries import Bill

ROOT = Entry(".", stat.S_IFDIR | 0o755, 0, b"")
NAME = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=8).filter(
    lambda name: name not in (".", "..")
)


@st.composite
def trees(draw: st.DrawFn) -> list[Entry]:
    """Some folders with files and links in them, each folder before what is in it."""
    found, folders = {ROOT.path: ROOT}, [ROOT.path]
    for name in draw(st.lists(NAME, max_size=40)):
        path = f"{draw(st.sampled_from(folders))}/{name}"
        if path in found:
            continue
        kind = draw(st.sampled_from([stat.S_IFDIR, stat.S_IFREG, stat.S_IFLNK]))
        data = b"" if kind == stat.S_IFDIR else draw(st.binary(max_size=20))
        if kind == stat.S_IFLNK:
            data = data.hex().encode() or b"x"
        found[path] = Entry(path, kind | 0o755, draw(st.sampled_from([0, 80])), data)
        if kind == stat.S_IFDIR:
            folders.append(path)
    return list(found.values())


def check(entries: list[Entry]) -> None:
    bill = Bill(bom(entries, 1767225600))
    assert set(bill.names) == {"BomInfo", "Paths", "HLIndex", "VIndex", "Size64"}
    read = bill.paths()
    assert read.keys() == {entry.path for entry in entries}
    kinds = {stat.S_IFREG: 1, stat.S_IFDIR: 2, stat.S_IFLNK: 3}
    for entry in entries:
        found = read[entry.path]
        kind = stat.S_IFMT(entry.mode)
        assert found["kind"] == kinds[kind]
        assert (found["mode"], found["uid"], found["gid"]) == (entry.mode, 0, entry.group)
        assert found["size"] == len(entry.data)
        assert found["link"] == (entry.data.decode() if kind == stat.S_IFLNK else "")
        assert found["cksum"] == (0 if kind == stat.S_IFDIR else cksum(entry.data))
        assert found["time"] == 1767225600


@settings(max_examples=60)
@given(entries=trees())
def test_every_tree_reads_back_as_it_was(entries: list[Entry]) -> None:
    check(entries)


@pytest.mark.parametrize("count", [1, LEAF - 1, LEAF, LEAF + 1, 2 * LEAF, 2 * LEAF + 1, 5 * LEAF])
def test_leaves_know_their_neighbours_however_many(count: int) -> None:
    files = [Entry(f"./f{number:05}", stat.S_IFREG | 0o644, 0, b"") for number in range(count - 1)]
    check([ROOT, *files])


@pytest.mark.skipif(not shutil.which("cksum"), reason="cksum is not installed")
@pytest.mark.parametrize("data", [b"", b"\0", b"a", b"\xff" * 255, b"x" * 256, bytes(range(256)) * 300])
def test_the_checksum_is_the_systems(data: bytes) -> None:
    said = subprocess.run(["cksum"], input=data, capture_output=True, check=True, timeout=20).stdout
    assert cksum(data) == int(said.split()[0])
