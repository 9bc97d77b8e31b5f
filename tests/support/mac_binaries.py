"""Reads what a package is made of, each by its format's description and by nothing of ours."""

import hashlib
import itertools
import struct
import zlib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

PROCESSORS = {"arm64": 0x0100000C, "x86_64": 0x01000007}


def thin(architecture: str) -> bytes:
    """The head of a Mach-O binary for one processor."""
    return struct.pack("<II", 0xFEEDFACF, PROCESSORS[architecture]) + b"\0" * 24


class Bill:
    """A bill of materials, read as macOS's lsbom does: down to the first leaf, and from leaf to leaf."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        magic, version, count, start, size, names, names_size = struct.unpack_from(">8s6I", raw)
        assert (magic, version) == (b"BOMStore", 1)
        (there,) = struct.unpack_from(">I", raw, start)
        self._blocks = [struct.unpack_from(">II", raw, start + 4 + 8 * n) for n in range(there)]
        assert self._blocks[0] == (0, 0)
        assert count == len([block for block in self._blocks if block != (0, 0)])
        assert start + size == len(raw)
        assert struct.unpack_from(">I", raw, start + 4 + 8 * there) == (0,)
        taken = sorted(self._blocks[1:])
        assert all(a + length <= b for (a, length), (b, _) in itertools.pairwise(taken)), "blocks overlap"
        assert taken[0][0] == names + names_size and taken[-1][0] + taken[-1][1] == start
        self.names: dict[str, int] = {}
        (many,) = struct.unpack_from(">I", raw, names)
        at = names + 4
        for _ in range(many):
            number, length = struct.unpack_from(">IB", raw, at)
            self.names[raw[at + 5 : at + 5 + length].decode()] = number
            at += 5 + length
        assert at == names + names_size

    def block(self, number: int) -> bytes:
        start, size = self._blocks[number]
        return self._raw[start : start + size]

    def tree(self, number: int) -> list[tuple[int, int]]:
        """The pairs of a tree's leaves, in order, with what must hold between its nodes."""
        magic, version, child, _, count, _ = struct.unpack(">4sIIIIB", self.block(number))
        assert (magic, version) == (b"tree", 1)
        leaf, pairs, _, _ = self._node(child)
        above = None
        if not leaf:
            above = pairs
            child = pairs[0][0]
        found: list[tuple[int, int]] = []
        leaves, before = [], 0
        while child:
            leaf, pairs, following, back = self._node(child)
            assert leaf and back == before
            found += pairs
            leaves.append((child, pairs[-1][1] if pairs else 0))
            before, child = child, following
        assert above is None or above == leaves
        assert len(found) == count
        return found

    def _node(self, number: int) -> tuple[int, list[tuple[int, int]], int, int]:
        block = self.block(number)
        leaf, count, following, before = struct.unpack_from(">HHII", block)
        assert len(block) == 12 + 8 * count <= 4096
        return leaf, [struct.unpack_from(">II", block, 12 + 8 * n) for n in range(count)], following, before

    def paths(self) -> dict[str, dict[str, Any]]:
        """What is said of each path."""
        known: dict[int, str] = {}
        found: dict[str, dict[str, Any]] = {}
        order = []
        for key, value in self.tree(self.names["Paths"]):
            number, about = struct.unpack(">II", self.block(key))
            raw = self.block(value)
            (parent,) = struct.unpack_from(">I", raw)
            assert raw.endswith(b"\0")
            order.append((parent, raw[4:-1]))
            name = raw[4:-1].decode()
            known[number] = f"{known[parent]}/{name}" if parent else name
            found[known[number]] = self._about(self.block(about))
        assert order == sorted(order), "a path could not be looked up"
        return found

    def _about(self, raw: bytes) -> dict[str, Any]:
        kind, one, _, mode, uid, gid, time, size, _, check, link = struct.unpack_from(">BBHHIIIIBII", raw)
        assert one == 1 and len(raw) == 31 + link
        return {"kind": kind, "mode": mode, "uid": uid, "gid": gid, "time": time, "size": size, "cksum": check,
                "link": raw[31:-1].decode() if link else ""}  # fmt: skip


def xar(file: Path) -> dict[str, bytes]:
    """The parts of an xar archive, each of which has the length and the checksum that its table of contents says."""
    raw = file.read_bytes()
    magic, header, version, packed, unpacked, kind = struct.unpack_from(">4sHHQQI", raw)
    assert (magic, version, kind) == (b"xar!", 1, 1)  # 1: SHA-1
    contents = zlib.decompress(raw[header : header + packed])
    assert len(contents) == unpacked
    heap = header + packed
    assert raw[heap : heap + 20] == hashlib.sha1(raw[header : header + packed]).digest()
    found = {}

    def walk(node: ElementTree.Element, above: str) -> None:
        for one in node.findall("file"):
            name = above + (one.findtext("name") or "")
            assert one.findtext("uid") == one.findtext("gid") == "0"
            data = one.find("data")
            if data is not None:
                start = heap + int(data.findtext("offset") or "")
                stored = raw[start : start + int(data.findtext("length") or "")]
                kind = data.find("encoding").get("style")  # type: ignore[union-attr]
                assert kind == "application/octet-stream"
                assert hashlib.sha1(stored).hexdigest() == data.findtext("archived-checksum")
                assert len(stored) == int(data.findtext("size") or "")
                found[name] = stored
            walk(one, f"{name}/")

    toc = ElementTree.fromstring(contents).find("toc")
    assert toc is not None
    walk(toc, "")
    return found
