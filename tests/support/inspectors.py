"""A real inspector process, and who may come in: what the tests of the addons share."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import httpx
import msgspec

from bewust.authority import authority
from bewust.config import policy
from bewust.config.policy import Policy
from bewust.proxy.messages import Start
from bewust.proxy.relay import SECRET_HEADER, bearer

SECRET = "open sesame"


def door(port: int) -> httpx.Proxy:
    """The inspector as the front uses it."""
    return httpx.Proxy(f"http://127.0.0.1:{port}", headers={SECRET_HEADER: bearer(SECRET)})


class Origin(Protocol):
    """Where the inspector is led to."""

    root_pem: Path

    @property
    def resolver(self) -> Mapping[str, str]: ...


@contextmanager
def inspector(
    world: Origin,
    folder: Path,
    imported: Path | None = None,
    config: Path | None = None,
    decided: Policy | None = None,
) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    authority.issue(folder, ["www.google.nl", "duckduckgo.com"], datetime.now(UTC))
    start = Start(authority=str(folder), secret=SECRET, resolver=world.resolver, trust=str(world.root_pem))
    start = msgspec.structs.replace(
        start,
        imported=str(imported) if imported else None,
        config=str(config) if config else None,
        policy=policy.packed(decided or policy.load(config)),
    )
    with subprocess.Popen(
        [sys.executable, "-O", "-m", "bewust_addons.main"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdin and process.stdout and process.stderr
        try:
            process.stdin.write(msgspec.json.encode(start) + b"\n")
            process.stdin.flush()
            yield process, told(process)["port"]
        finally:
            if not process.stdin.closed:
                process.stdin.close()
            assert process.wait(10) in (0, -signal.SIGKILL)
            assert process.stderr.read() == b"", "it logs nothing"


def told(process: "subprocess.Popen[bytes]") -> dict[str, Any]:
    assert process.stdout
    answer: dict[str, Any] = json.loads(process.stdout.readline())
    return answer
