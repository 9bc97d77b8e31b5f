"""The bill of materials: the list of paths that macOS's installer keeps of a package.

Belongs here: writing it. The format is Apple's and not published; this follows the two descriptions that
agree: github.com/igankevich/stuckliste (docs) and the structures of github.com/hogliux/bomutils. Numbers
are big-endian. Blocks of bytes are numbered from 1; a tree's leaves name pairs of blocks.
"""

import stat
import struct
from collections import defaultdict
from collections.abc import Sequence
from itertools import chain

from installer.macos.payload import Entry

HEADER = 512
LEAF = 256  # pairs in one leaf
_KINDS = {stat.S_IFREG: 1, stat.S_IFDIR: 2, stat.S_IFLNK: 3}
_WHOLE = 3  # with owner, size and so on, and not a bare path


class _Blocks:
    """Blocks by number, and names for some of them."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = [b""]
        self._names: list[tuple[bytes, int]] = []

    def add(self, data: bytes) -> int:
        self._blocks.append(data)
        return len(self._blocks) - 1

    @property
    def next(self) -> int:
        """The number of the block that is added next."""
        return len(self._blocks)

    def name(self, name: bytes, number: int) -> None:
        self._names.append((name, number))

    def written(self) -> bytes:
        names = struct.pack(">I", len(self._names))
        names += b"".join(struct.pack(">IB", number, len(name)) + name for name, number in self._names)
        start = HEADER + len(names)
        index = struct.pack(">III", len(self._blocks), 0, 0)
        for block in self._blocks[1:]:
            index += struct.pack(">II", start, len(block))
            start += len(block)
        index += struct.pack(">I4I", 0, 0, 0, 0, 0)  # no free blocks
        sizes = (1, len(self._blocks) - 1, start, len(index), HEADER, len(names))
        head = b"BOMStore" + struct.pack(">6I", *sizes)
        return head.ljust(HEADER, b"\0") + names + b"".join(self._blocks) + index


def bom(entries: Sequence[Entry], time: int) -> bytes:
    """Return the bill of the entries, of which the first is "." and each folder comes before what is in it."""
    blocks = _Blocks()
    total = sum(len(entry.data) for entry in entries)
    blocks.name(b"BomInfo", blocks.add(struct.pack(">3I4I", 1, len(entries), 1, 0, 0, total & 0xFFFFFFFF, 0)))
    blocks.name(b"Paths", _tree(blocks, _leaves(blocks, _paths(blocks, entries, time)), 4096, len(entries)))
    blocks.name(b"HLIndex", _tree(blocks, _leaves(blocks, []), 4096, 0))
    virtual = _tree(blocks, _leaves(blocks, []), 128, 0)
    blocks.name(b"VIndex", blocks.add(struct.pack(">IIIB", 1, virtual, 0, 0)))
    blocks.name(b"Size64", _tree(blocks, _leaves(blocks, []), 128, 0))
    return blocks.written()


def _tree(blocks: _Blocks, child: int, size: int, count: int) -> int:
    return blocks.add(b"tree" + struct.pack(">IIIIB", 1, child, size, count, 0))


def _leaves(blocks: _Blocks, pairs: Sequence[tuple[int, int]]) -> int:
    """Return the block of the one leaf, or of the node above several, which point to their neighbours."""
    parts = [pairs[start : start + LEAF] for start in range(0, len(pairs), LEAF)] or [[]]
    start, last = blocks.next, len(parts) - 1
    for at, part in enumerate(parts):
        blocks.add(_node(True, part, start + at + 1 if at < last else 0, start + at - 1 if at else 0))
    if not last:
        return start
    return blocks.add(_node(False, [(start + at, part[-1][1]) for at, part in enumerate(parts)], 0, 0))


def _node(leaf: bool, pairs: Sequence[tuple[int, int]], following: int, before: int) -> bytes:
    return struct.pack(">HHII", leaf, len(pairs), following, before) + b"".join(struct.pack(">II", *p) for p in pairs)


def _paths(blocks: _Blocks, entries: Sequence[Entry], time: int) -> list[tuple[int, int]]:
    """Return the pairs: level by level, and in a folder by name, which is the order in which they are looked up."""
    inside: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries[1:]:
        inside[entry.path.rpartition("/")[0]].append(entry)
    pairs: list[tuple[int, int]] = []
    waiting = [(0, entries[0])]
    while waiting:
        following = []
        for parent, entry in waiting:
            number = len(pairs) + 1
            about = blocks.add(_about(entry, time))
            name = entry.path.rpartition("/")[2].encode()
            key = blocks.add(struct.pack(">II", number, about))
            pairs.append((key, blocks.add(struct.pack(">I", parent) + name + b"\0")))
            following += [(number, one) for one in sorted(inside[entry.path], key=lambda one: one.path.encode())]
        waiting = following
    return pairs


def _about(entry: Entry, time: int) -> bytes:
    kind = stat.S_IFMT(entry.mode)
    link = entry.data + b"\0" if kind == stat.S_IFLNK else b""
    check = 0 if kind == stat.S_IFDIR else cksum(entry.data)
    start = struct.pack(">BBHHII", _KINDS[kind], 1, _WHOLE, entry.mode, 0, entry.group)
    return start + struct.pack(">IIBII", time, len(entry.data), 1, check, len(link)) + link


def _table() -> list[int]:
    found = []
    for value in range(256):
        rest = value << 24
        for _ in range(8):
            rest = (rest << 1) ^ (0x04C11DB7 if rest & 0x80000000 else 0)
        found.append(rest & 0xFFFFFFFF)
    return found


_TABLE = _table()


def cksum(data: bytes) -> int:
    """Return what POSIX cksum prints of data."""
    rest = 0
    length = len(data)
    for byte in chain(data, length.to_bytes((length.bit_length() + 7) // 8, "little")):
        rest = ((rest << 8) & 0xFFFFFFFF) ^ _TABLE[(rest >> 24) ^ byte]
    return rest ^ 0xFFFFFFFF
