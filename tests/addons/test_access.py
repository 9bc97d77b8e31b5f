"""The inspector is no proxy for other logins, and no back door to what listens on this machine."""

import asyncio
import socket
from pathlib import Path

import pytest

from bewust.proxy.relay import bearer
from bewust_addons.access import WAITING, NoLoopbackEventLoop
from e2e.world import World
from support.dead_dns import dead_dns
from support.inspectors import SECRET, inspector
from support.other_accounts import BERT, needs_root, play, said


def answer(port: int, *sent: bytes) -> bytes:
    """Say something after each answer; return the last one."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        for one in sent:
            connection.sendall(one)
            heard = connection.recv(4096)
    return heard


def connect(target: str, *headers: str) -> bytes:
    return "\r\n".join([f"CONNECT {target} HTTP/1.1", f"Host: {target}", *headers, "", ""]).encode()


MINE = f"Proxy-Authorization: {bearer(SECRET)}"
STRANGE = {
    "a tunnel": [connect("www.google.nl:443")],
    "a wrong secret": [connect("www.google.nl:443", "Proxy-Authorization: Bearer x")],
    "no text at all": [connect("www.google.nl:443").replace(b"Host", b"Proxy-Authorization: \xff\xfe\r\nHost")],
    "a request": [b"GET http://www.google.nl/ HTTP/1.1\r\nHost: www.google.nl\r\n\r\n"],
}


def test_who_does_not_know_the_secret_gets_nothing(tmp_path: Path) -> None:
    with World() as world, inspector(world, tmp_path) as (_, port):
        assert answer(port, connect("www.google.nl:443", MINE)).startswith(b"HTTP/1.1 200 ")
        for name, sent in STRANGE.items():
            assert answer(port, *sent).startswith(b"HTTP/1.1 407 "), name
        nested = answer(port, connect("www.google.nl:443", MINE), connect("chatgpt.com:443", MINE))
        assert not nested.startswith(b"HTTP/1.1 2"), "a tunnel within a tunnel is none for anybody"
        assert world.hits == []


@needs_root
def test_another_login_cannot_leave_by_it(tmp_path: Path) -> None:
    with World() as world, inspector(world, tmp_path) as (_, port):
        leave = (
            "s = socket.create_connection(('127.0.0.1', int(sys.argv[1])), timeout=10)\n"
            f"s.sendall({connect('www.google.nl:443')!r}); print(s.recv(100).split()[1].decode())"
        )
        assert said(play(BERT, leave, port)) == "407\n"


def test_strangers_that_say_nothing_do_not_use_up_what_the_front_needs(tmp_path: Path) -> None:
    with World() as world, inspector(world, tmp_path) as (process, port):
        silent = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(WAITING + 100)]
        assert answer(port, connect("www.google.nl:443", MINE)).startswith(b"HTTP/1.1 200 ")
        assert len(list(Path(f"/proc/{process.pid}/fd").iterdir())) < WAITING + 30
        assert silent[0].recv(1) == b"", "the oldest went"
        for one in silent:
            one.close()


def test_not_even_the_front_gets_it_to_connect_to_this_machine(tmp_path: Path) -> None:
    with World() as world, inspector(world, tmp_path) as (_, port), socket.create_server(("127.0.0.1", 0)) as local:
        for name in ("127.0.0.1", "localhost", "[::1]", "0.0.0.0", "[::ffff:127.0.0.1]", "169.254.169.254"):
            assert b" 502 " in answer(port, connect(f"{name}:{local.getsockname()[1]}", MINE)).splitlines()[0]
        local.settimeout(0.5)
        with pytest.raises(TimeoutError):
            local.accept()


def test_a_name_that_leads_here_is_refused_and_its_next_address_is_tried() -> None:
    """Whatever a name resolves to when it is asked again, what counts is the address of the connection."""

    class Rebound(NoLoopbackEventLoop):
        async def getaddrinfo(self, host: object, port: object, **kind: object) -> list[tuple[object, ...]]:  # type: ignore[override]
            assert host == "www.google.nl"
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in self.addresses]

        addresses: tuple[str, ...] = ("127.0.0.1",)

    async def dial(port: int) -> str:
        _, writer = await asyncio.open_connection("www.google.nl", port)
        writer.close()
        return str(writer.get_extra_info("peername")[0])

    with socket.create_server(("127.0.0.1", 0)) as local, socket.create_server(("127.0.0.2", 0)) as other:
        port = local.getsockname()[1]
        with asyncio.Runner(loop_factory=Rebound) as runner, pytest.raises(PermissionError):
            runner.run(dial(port))
        Rebound.addresses = ("127.0.0.1", "127.0.0.2")
        allowed = f"127.0.0.2:{other.getsockname()[1]}"
        with asyncio.Runner(loop_factory=lambda: Rebound([allowed])) as runner:
            assert runner.run(dial(other.getsockname()[1])) == "127.0.0.2"


def test_names_whose_dns_is_dead_hold_up_no_other_name_nor_what_else_needs_a_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main(port: int) -> None:
        dead = [asyncio.ensure_future(asyncio.open_connection(f"dead{n}.example", 443)) for n in range(40)]
        await asyncio.sleep(0.05)
        try:
            async with asyncio.timeout(10):
                _, writer = await asyncio.open_connection("www.google.nl", port)
                writer.close()
                await asyncio.to_thread(lambda: None)
        finally:
            server_fails.set()
        assert all(isinstance(e, OSError) for e in await asyncio.gather(*dead, return_exceptions=True))

    server_fails = dead_dns(monkeypatch)
    with socket.create_server(("127.0.0.1", 0)) as local:
        port = local.getsockname()[1]
        with asyncio.Runner(loop_factory=lambda: NoLoopbackEventLoop([f"127.0.0.1:{port}"])) as runner:
            runner.run(main(port))
