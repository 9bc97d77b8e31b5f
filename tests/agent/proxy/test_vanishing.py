"""A site that vanishes without a word, on a network of its own whose answers are then dropped."""

import os
import shutil
import subprocess
import sys
import textwrap

import pytest

PLAY = """
    import asyncio, ctypes, os, socket, subprocess, sys, time
    sys.path.insert(0, {tests!r})
    from bewust.proxy import front, relay
    relay.IDLE, relay.INTERVAL, relay.PROBES, relay.VANISHED = 1, 1, 2, 3
    relay.KEEPALIVE = {{"linux": {{4: 1, 5: 1, 6: 2}}}}
    front.INTERVAL = 1
    from support.proxies import MATCHER, Listener, Page, connect

    def ip(*words):
        subprocess.run(["ip", *words], check=True)

    ip("link", "set", "lo", "up")
    there = subprocess.Popen(["unshare", "-n", "sleep", "600"], stdout=subprocess.DEVNULL)
    while os.readlink(f"/proc/{{there.pid}}/ns/net") == os.readlink("/proc/self/ns/net"):
        time.sleep(0.01)
    inside = ("nsenter", "-t", str(there.pid), "-n", "ip")
    ip("link", "add", "near", "type", "veth", "peer", "name", "far", "netns", str(there.pid))
    ip("addr", "add", "10.200.0.1/24", "dev", "near")
    ip("link", "set", "near", "up")
    subprocess.run([*inside, "addr", "add", "10.200.0.2/24", "dev", "far"], check=True)
    subprocess.run([*inside, "link", "set", "far", "up"], check=True)
    SITE = "import socket,time\\ns=socket.create_server(('10.200.0.2',4430))\\nprint('up',flush=True)\\nheld=[]\\n" \\
           "while 1:\\n c,_=s.accept()\\n held.append(c)\\n c.send(b'hello')"
    site = subprocess.Popen([*inside[:-1], sys.executable, "-c", SITE], stdout=subprocess.PIPE)
    site.stdout.readline()

    async def main():
        made = front.Front(MATCHER, Listener(), Page)
        port = await made.open(0)
        tunnels = []
        for _ in range(3):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(connect("10.200.0.2:4430"))
            assert b" 200 " in await reader.readuntil(b"\\r\\n\\r\\n")
            assert await reader.readexactly(5) == b"hello"
            tunnels.append((reader, writer))
        (idle, _), (asking, asks), (pausing, pauses) = tunnels
        pauses.write(bytes(32 << 20))  # the site reads none of it, and acknowledges what it has no room for
        began = time.monotonic()
        while time.monotonic() - began < 6:
            await asyncio.sleep(0.1)
        assert not pausing.at_eof() and pausing.exception() is None, "a reader that pauses was cut off"
        subprocess.run([*inside, "route", "add", "blackhole", "10.200.0.1/32"], check=True)
        began = time.monotonic()
        asks.write(b"are you there?")

        async def ended(reader):
            try:
                await reader.read()
            except OSError:
                pass
            return time.monotonic() - began

        print(*await asyncio.wait_for(asyncio.gather(ended(idle), ended(asking)), 60))
        assert not made.links or len(made.links) == 1
        for _, writer in tunnels:
            writer.transport.abort()
        await made.close()

    try:
        asyncio.run(main())
    finally:
        site.kill(), there.kill(), site.wait(), there.wait()
"""


def _why_not() -> str | None:
    """Return why no network of our own can be made here; None where it can."""
    if sys.platform != "linux" or not all(map(shutil.which, ("ip", "unshare", "nsenter"))):
        return "there is no ip, unshare and nsenter"
    made = subprocess.run(["unshare", "-n", "ip", "link", "add", "a0", "type", "veth", "peer", "name", "b0"],
                          capture_output=True, text=True, check=False)  # fmt: skip
    return made.stderr.strip() or "it failed" if made.returncode else None


def test_a_vanished_site_ends_its_tunnels_and_one_that_only_reads_nothing_does_not() -> None:
    if (why := _why_not()) is not None:
        pytest.skip(f"only who may make network namespaces can have a site vanish: {why}")
    code = textwrap.dedent(PLAY.format(tests=os.path.dirname(os.path.dirname(os.path.dirname(__file__)))))
    done = subprocess.run(
        ["unshare", "-n", sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    idle, asking = map(float, done.stdout.split())
    # A kernel by itself goes on for some fifteen minutes, or for ever.
    assert idle < 30 and asking < 30
