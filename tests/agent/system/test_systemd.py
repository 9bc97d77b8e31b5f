"""A port handed over, ready and alive, as systemd speaks; with a real child and real sockets."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from bewust.system import systemd

CHILD = """
import os, sys
os.dup2(int(sys.argv[2]), 3, inheritable=True)
os.environ["LISTEN_PID"] = str(os.getpid() if sys.argv[1] == "us" else 1)
from bewust.system.systemd import activated_socket as handed_socket
found = handed_socket()
print(found and found.getsockname()[1], os.environ.get("LISTEN_FDS"), found and os.get_inheritable(3))
"""


@pytest.mark.skipif(os.name != "posix", reason="descriptors are not handed over like this on Windows")
@pytest.mark.parametrize("whose", ["us", "another"])
def test_a_socket_is_taken_when_it_is_for_us_and_its_words_go_no_further(whose: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        child = subprocess.run(
            [sys.executable, "-c", CHILD, whose, str(held.fileno())],
            env={**os.environ, "LISTEN_FDS": "1"}, pass_fds=[held.fileno()], capture_output=True, text=True, check=True,
        )  # fmt: skip
    assert child.stdout.split() == ([str(port), "None", "False"] if whose == "us" else ["None", "1", "None"])


@pytest.mark.parametrize("abstract", [False, True])
def test_what_is_told_arrives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, abstract: bool) -> None:
    name = f"@bewust-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind("\0" + name[1:] if abstract else name)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        systemd.sd_notify("READY=1")
        assert heard.recv(100) == b"READY=1"


@pytest.mark.parametrize("address", [None, "", "relative", "/nobody/there"])
def test_where_nobody_listens_nothing_happens(monkeypatch: pytest.MonkeyPatch, address: str | None) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if address is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", address)
    systemd.sd_notify("READY=1")


@pytest.mark.parametrize(("usec", "pid", "seconds"), [
    ("30000000", None, 30.0), ("30000000", "1", None), ("x", None, None), (None, None, None)
])  # fmt: skip
def test_how_often_a_sign_of_life_is_wanted(
    monkeypatch: pytest.MonkeyPatch, usec: str | None, pid: str | None, seconds: float | None
) -> None:
    for name, value in (("WATCHDOG_USEC", usec), ("WATCHDOG_PID", pid)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    assert systemd.watchdog_seconds() == seconds
