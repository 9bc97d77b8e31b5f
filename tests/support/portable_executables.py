"""Programs of Windows as far as a builder looks at them: the beginning of a PE file."""

import struct


def program(machine: int = 0x8664) -> bytes:
    """The beginning of a program for a processor, by default x64 (Microsoft's PE format)."""
    return b"MZ" + bytes(58) + struct.pack("<I", 64) + b"PE\0\0" + struct.pack("<H", machine) + bytes(400)
