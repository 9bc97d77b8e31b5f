"""The threads that stand in for asyncio's pipes on Windows, here with real pipes."""

import asyncio
import os
from pathlib import Path

from bewust_addons import parent_pipe


def test_lines_come_in_and_go_out() -> None:
    async def exchange() -> tuple[bytes, bytes, bytes]:
        (source, ask), (hear, target) = os.pipe(), os.pipe()
        try:
            reader, writing = parent_pipe.by_threads(asyncio.StreamReader(), asyncio.get_running_loop(), source, target)
            os.write(ask, b"start\nping\n")
            lines = await reader.readline(), await reader.readline()
            writing.write(b"alive\n")
            heard = await asyncio.to_thread(os.read, hear, 100)
            os.close(ask)
            ask = -1
            return *lines, heard + await reader.read()
        finally:
            for descriptor in (ask, hear):
                if descriptor >= 0:
                    os.close(descriptor)

    assert asyncio.run(exchange()) == (b"start\n", b"ping\n", b"alive\n")


def test_what_nobody_reads_waits_and_is_counted() -> None:
    async def write() -> int:
        (source, ask), (hear, target) = os.pipe(), os.pipe()
        _, writing = parent_pipe.by_threads(asyncio.StreamReader(), asyncio.get_running_loop(), source, target)
        writing.write(bytes(1 << 20))  # more than a pipe holds: its thread now waits
        writing.write(bytes(1000))
        while writing.get_write_buffer_size() > 1000:
            await asyncio.sleep(0.01)
        waiting = writing.get_write_buffer_size()
        os.close(ask)
        os.close(hear)
        return waiting

    assert asyncio.run(write()) == 1000


def test_a_source_that_breaks_has_ended(tmp_path: Path) -> None:
    async def read() -> bytes:
        folder = os.open(tmp_path, os.O_RDONLY)  # reading it is an error
        source, target = os.pipe()
        reader, _ = parent_pipe.by_threads(asyncio.StreamReader(), asyncio.get_running_loop(), folder, target)
        try:
            return await reader.read()
        finally:
            for descriptor in (folder, source):
                os.close(descriptor)

    assert asyncio.run(read()) == b""
