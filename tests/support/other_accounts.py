"""Another login of this machine, played by a process that gives up being root before it does anything."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

ANNE, BERT = 41001, 41002  # uids that nobody has
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can play two people on one machine")


def play(who: int, script: str, *arguments: object) -> "subprocess.Popen[str]":
    """Start a Python script as another user; it has `arguments` as texts in `sys.argv[1:]`."""
    # All that is imported later is imported before: another user may not read where Python is.
    first = f"import os, socket, ssl, sys, time, encodings.idna; os.setgid({who}); os.setuid({who})"
    return subprocess.Popen(
        [sys.executable, "-c", f"{first}\n{script}", *map(str, arguments)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@contextmanager
def played(who: int, script: str, *arguments: object) -> Iterator[None]:
    """The same from when it says its first line to the end of the block, whatever happens in it."""
    process = play(who, script, *arguments)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield
    finally:
        process.kill()
        process.communicate()


def said(process: "subprocess.Popen[str]") -> str:
    """Wait for it to end and return what it wrote."""
    out, complaint = process.communicate(timeout=30)
    assert process.returncode == 0, complaint
    return out
