"""The inspector is started, watched, killed when frozen and started again; nothing is left behind."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest

from bewust.proxy import inspector
from bewust.proxy.inspector import Inspector
from bewust.proxy.messages import Failed, Message, Start

ALIVE = """
import json, os, sys
open(sys.argv[1], "a").write(f"{os.getpid()}\\n")
assert json.loads(sys.stdin.readline())["type"] == "start"
def alive(): print(json.dumps({"type": "alive", "port": 4711}), flush=True)
alive()
for line in sys.stdin:
    alive()
"""
FAILED = 'print(json.dumps({"type": "failed", "where": "x", "error": "Y"}))'
CHATTY = ALIVE.replace("alive()\nfor", f'print("hello from a library")\n{FAILED}\nprint("{{")\nalive()\nfor')
MUTE = 'import os, sys\nopen(sys.argv[1], "a").write(f"{os.getpid()}\\n")\nsys.stdin.read()'
ENDS = 'import os, sys\nopen(sys.argv[1], "a").write(f"{os.getpid()}\\n")'


class Watched:
    """An inspector whose child is a small script, with what it told and when."""

    def __init__(self, script: str, folder: Path) -> None:
        self.busy = True
        self.ports: list[int] = []
        self.downs = 0
        self.messages: list[Message] = []
        self.note = folder / "pids"
        self.inspector = Inspector(
            Start(authority="x"), up=self.ports.append, down=self._down, message=self.messages.append,
            command=[sys.executable, "-c", script, str(self.note)], busy=lambda: self.busy,
        )  # fmt: skip

    def _down(self) -> None:
        self.downs += 1

    def pids(self) -> list[int]:
        return [int(line) for line in self.note.read_text().split()] if self.note.exists() else []

    def run(self, test: Callable[[], Awaitable[None]]) -> None:
        async def main() -> None:
            running = asyncio.ensure_future(self.inspector.run())
            try:
                await asyncio.wait_for(test(), 20)
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)

        asyncio.run(main())
        assert not any(map(exists, self.pids())), "a child is left"


def exists(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def until(what: Callable[[], object]) -> None:
    while not what():
        await asyncio.sleep(0.02)


def test_its_port_is_told_when_it_is_ready_and_the_child_ends_with_us(tmp_path: Path) -> None:
    watched = Watched(ALIVE, tmp_path)

    async def test() -> None:
        await until(lambda: watched.ports)
        assert watched.ports == [4711]
        assert watched.inspector.alive and watched.inspector.problem is None
        assert watched.inspector.pid == watched.pids()[0]

    watched.run(test)
    assert watched.downs == 1  # told at the end too, so that nobody hands over any more


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM])
def test_one_that_is_killed_or_frozen_is_replaced_within_two_seconds(tmp_path: Path, blow: signal.Signals) -> None:
    watched = Watched(ALIVE, tmp_path)

    async def test() -> None:
        await until(lambda: watched.ports)
        os.kill(watched.pids()[0], blow)
        async with asyncio.timeout(2):
            await until(lambda: watched.downs)
        await until(lambda: len(watched.ports) == 2)
        assert not exists(watched.pids()[0])
        assert watched.inspector.starts == 2

    watched.run(test)


def test_one_that_answers_is_left_alone(tmp_path: Path) -> None:
    watched = Watched(ALIVE, tmp_path)

    async def test() -> None:
        await until(lambda: watched.ports)
        await asyncio.sleep(2.5)
        assert (watched.downs, watched.inspector.starts) == (0, 1)

    watched.run(test)


def test_one_that_nothing_goes_by_is_asked_seldom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspector, "PING_SECONDS", 0.05)
    watched = Watched(
        ALIVE.replace("    alive()", '    alive(); open(sys.argv[1] + "-asked", "a").write("x")'), tmp_path
    )
    asked = watched.note.with_name(watched.note.name + "-asked")

    async def test() -> None:
        async def counted() -> int:
            before = len(asked.read_text())
            await asyncio.sleep(1)
            return len(asked.read_text()) - before

        await until(asked.exists)
        often = await counted()
        watched.busy = False
        assert 1 <= await counted() <= often // 2

    watched.run(test)


def test_one_that_froze_unnoticed_is_lost_within_two_seconds_of_its_first_use(tmp_path: Path) -> None:
    watched = Watched(ALIVE, tmp_path)
    watched.busy = False

    async def test() -> None:
        await until(lambda: watched.ports)
        await asyncio.sleep(0.1)
        os.kill(watched.pids()[0], signal.SIGSTOP)
        watched.busy = True
        async with asyncio.timeout(2):
            await until(lambda: watched.downs)
        watched.busy = False
        await until(lambda: len(watched.ports) == 2)

    watched.run(test)


def test_our_own_stall_is_not_taken_for_its_death(tmp_path: Path) -> None:
    watched = Watched(ALIVE, tmp_path)

    async def test() -> None:
        await until(lambda: watched.ports)
        for _ in range(3):
            import time

            time.sleep(1.3)
            await asyncio.sleep(0.3)
        assert (watched.downs, watched.inspector.starts) == (0, 1)

    watched.run(test)


def test_what_it_tells_is_passed_on_and_rubbish_is_skipped(tmp_path: Path) -> None:
    watched = Watched(CHATTY, tmp_path)

    async def test() -> None:
        await until(lambda: watched.ports)
        assert watched.messages == [Failed("x", "Y")]

    watched.run(test)


@pytest.mark.parametrize(
    ("failed", "replaced"),
    [({"where": "mitmproxy.proxy.server", "error": "MemoryError"}, True),
     ({"where": "asyncio", "error": "MemoryError"}, True),
     ({"where": "bewust_addons.connection", "error": "IndexError"}, False),
     ({"where": "mitmproxy.proxy.server", "error": "error"}, False),
     ({"where": "responseheaders", "error": "KeyError"}, False)],
    ids=["mitmproxy", "the loop", "one site's quirk, which costs no other its download", "a mere log", "our own"],
)  # fmt: skip
def test_one_that_answers_but_has_no_memory_is_replaced(tmp_path: Path, failed: dict[str, str], replaced: bool) -> None:
    line = json.dumps({"type": "failed"} | failed)
    script = ALIVE.replace("for line in", f"for _ in range(12): print('{line}', flush=True)\nfor line in")
    watched = Watched(script, tmp_path)

    async def test() -> None:
        await until(lambda: len(watched.messages) >= 10)
        if replaced:
            await until(lambda: watched.downs)
            assert watched.inspector.problem == "the inspector failed at everything, as without memory"
            await until(lambda: watched.inspector.starts == 2)
        else:
            await asyncio.sleep(0.5)
            assert (watched.downs, watched.inspector.starts) == (0, 1)

    watched.run(test)


def test_why_one_ended_is_told_by_class_and_place_though_nothing_it_writes_is_kept(tmp_path: Path) -> None:
    script = ALIVE + "from bewust import hosts\nhosts.normalise_host(7)\n"
    noise = "sys.stderr.write('https://canary.example/' * 100000)\nalive()\nfor"
    script = script.replace("alive()\nfor line in sys.stdin:\n    alive()", noise.replace("for", ""))
    watched = Watched(script, tmp_path)

    async def test() -> None:
        await until(lambda: [told for told in watched.messages if isinstance(told, Failed)])
        (told, *_) = watched.messages
        assert isinstance(told, Failed)
        assert (told.where, told.error, told.place.startswith("hosts:")) == ("inspector", "AttributeError", True)
        assert "canary" not in repr(watched.messages)

    watched.run(test)


def test_one_that_has_grown_is_replaced_as_planned_and_one_that_bursts_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights: list[int] = []
    monkeypatch.setattr(inspector, "MEMORY_CHECK_SECONDS", 0.02)
    monkeypatch.setattr(inspector, "MEMORY_RESTART_INTERVAL", 0.5)
    monkeypatch.setattr(inspector, "resident", lambda pid: weights[0])
    watched, heavy = Watched(ALIVE, tmp_path), list[int]()
    watched.inspector._heavy = lambda: heavy.append(1)

    async def test() -> None:
        weights[:] = [140 << 20]
        await until(lambda: watched.ports)
        await asyncio.sleep(0.6)
        assert heavy == []
        weights[:] = [160 << 20]
        await until(lambda: heavy)
        await asyncio.sleep(0.2)
        assert heavy == [1], "not all the time"
        assert watched.downs == 0, "it may finish what it has in hand"
        weights[:] = [600 << 20]
        await until(lambda: watched.downs)
        assert watched.inspector.problem == "the inspector took 600 MiB of memory"

    watched.run(test)


def test_where_none_is_wanted_there_is_none_until_there_should_be_one(tmp_path: Path) -> None:
    watched = Watched(ALIVE, tmp_path)
    watched.inspector.set_enabled(False)

    async def test() -> None:
        await asyncio.sleep(0.3)
        assert watched.pids() == [] and watched.inspector.starts == 0
        watched.inspector.set_enabled(True)
        await until(lambda: watched.ports)
        watched.inspector.set_enabled(False)
        await until(lambda: watched.downs and not exists(watched.pids()[0]))
        await until(lambda: watched.inspector.problem is None)
        await asyncio.sleep(0.8)
        assert watched.inspector.starts == 1
        watched.inspector.set_enabled(True)
        await until(lambda: len(watched.ports) == 2)

    watched.run(test)


def test_what_a_process_weighs_is_told_where_the_system_tells_it() -> None:
    assert inspector.resident(2**22 + 1) == 0
    if sys.platform == "linux":
        assert 5 << 20 < inspector.resident(os.getpid()) < 4 << 30


def test_one_that_never_gets_ready_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspector, "START_SECONDS", 0.3)
    watched = Watched(MUTE, tmp_path)

    async def test() -> None:
        await until(lambda: len(watched.pids()) >= 2)
        assert watched.ports == [] and watched.downs == 0
        assert watched.inspector.problem

    watched.run(test)


def test_one_that_ends_at_once_is_started_again_more_and_more_slowly(tmp_path: Path) -> None:
    watched = Watched(ENDS, tmp_path)

    async def test() -> None:
        await until(lambda: len(watched.pids()) >= 2)
        await asyncio.sleep(1)
        assert len(watched.pids()) <= 4
        assert watched.inspector.problem == "the inspector ended"

    watched.run(test)


def test_one_that_cannot_be_started_is_a_problem_and_no_crash(tmp_path: Path) -> None:
    watched = Watched("", tmp_path)
    watched.inspector._command = [str(tmp_path / "absent")]

    async def test() -> None:
        await until(lambda: watched.inspector.problem)
        assert "cannot be started" in (watched.inspector.problem or "")

    watched.run(test)


def test_a_restart_that_is_asked_for(tmp_path: Path) -> None:
    watched = Watched(ALIVE, tmp_path)

    async def test() -> None:
        await until(lambda: watched.ports)
        for number in range(2, 6):  # each as soon as the first, for none of them has failed
            watched.inspector.renew(Start(authority="elsewhere"))
            async with asyncio.timeout(1):
                await until(partial(lambda number: len(watched.ports) == number, number))

    watched.run(test)


def test_a_child_of_the_child_that_holds_its_pipes_does_not_hold_up_the_end(tmp_path: Path) -> None:
    holds = 'import subprocess, sys\nsubprocess.Popen([sys.executable, "-c", "import time; time.sleep(20)"])\n'
    watched = Watched(f"import os\n{holds}{ALIVE}", tmp_path)

    async def test() -> None:
        await until(lambda: watched.ports)

    began = time.monotonic()
    watched.run(test)
    assert time.monotonic() - began < 10


def test_what_would_have_secrets_written_or_code_loaded_does_not_reach_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SSLKEYLOGFILE", "MITMPROXY_SSLKEYLOGFILE", "OPENSSL_CONF", "PYTHONSTARTUP"):
        monkeypatch.setenv(name, "x")
    script = 'import json, os, sys\nopen(sys.argv[1] + "-names", "w").write(" ".join(os.environ))\nsys.stdin.read()'
    watched = Watched(script, tmp_path)
    written = watched.note.with_name("pids-names")

    async def test() -> None:
        while not written.exists() or not written.read_text():
            await asyncio.sleep(0.01)

    watched.run(test)
    names = written.read_text().split()
    assert "PATH" in names
    assert not [name for name in names if name.startswith(("SSL", "MITM", "OPENSSL", "PYTHON"))]
