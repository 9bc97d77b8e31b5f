"""Where places are few, a login that has more than its share opens no more; nobody else notices."""

import asyncio
import resource
from collections.abc import Callable

import pytest

from bewust.proxy import connection, quota
from bewust.proxy.quota import ConnectionQuota
from bewust.system.socket_owner import Address
from support.connection_samples import play as on_stage
from support.other_accounts import BERT, needs_root, played
from support.proxies import BY_NAME, Stage, connect, until

ANNES, BERTS = [("127.0.0.1", port) for port in (1, 2, 3)], [("127.0.0.1", 9)]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota, "LOOK_SECONDS", 0.01)


def ask(client: Address | None, share: int, there: Callable[[], list[Address]] | None = None) -> bool:
    whose = {**dict.fromkeys(ANNES, 1000), **dict.fromkeys(BERTS, 1001)}
    return asyncio.run(ConnectionQuota(lambda: whose).admits(client, share, there))


def test_a_share_is_of_all_connections_or_of_those_that_are_told() -> None:
    assert ask(ANNES[0], 3) and not ask(ANNES[0], 2)
    assert ask(BERTS[0], 1)
    assert ask(ANNES[0], 1, lambda: ANNES[:1] + BERTS) and not ask(ANNES[0], 1, lambda: ANNES[:2])


def test_whose_it_is_that_nobody_knows_is_let_in() -> None:
    assert ask(("127.0.0.1", 77), 0) and ask(None, 0)


def test_one_look_answers_all_who_wait() -> None:
    looks = 0

    def look() -> dict[Address, int]:
        nonlocal looks
        looks += 1
        return dict.fromkeys(ANNES, 1000)

    async def main() -> None:
        made = ConnectionQuota(look)
        assert all(await asyncio.gather(*(made.admits(ANNES[0], 3) for _ in range(500))))

    asyncio.run(main())
    assert looks == 1


@pytest.mark.parametrize(
    ("soft", "hard", "most"), [(1024, 4096, 1280), (100, 100, 16), (1 << 20, 1 << 20, quota.MAX_CONNECTIONS)]
)
def test_there_are_as_many_places_as_file_descriptors_allow(
    soft: int, hard: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda kind, limits: asked.append(limits))
    assert quota.max_connections() == most
    assert asked == ([(4096, 4096)] if soft < hard else [])


def test_who_waits_to_be_looked_at_takes_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(made: Stage) -> None:
        looked = asyncio.Event()

        async def look(*asked: object) -> bool:
            await looked.wait()
            return True

        made.front.most = 4
        monkeypatch.setattr(made.front._crowd, "admits", look)
        for _ in range(3):
            await made.connect(BY_NAME)
        for _ in range(20):
            await made.browser(connect(BY_NAME))
        await until(lambda: len(made.front.waiting) == 20)
        assert len(made.front.links) == 3
        looked.set()
        await until(lambda: not made.front.waiting)
        assert len(made.front.links) == 4

    on_stage(test)


HOLD = """
kept = []
print('in', flush=True)
while True:
    s = socket.socket()
    try:
        s.connect(('127.0.0.1', int(sys.argv[1]))); s.sendall(sys.argv[2].encode())
        kept.append(s)
    except OSError:
        s.close()
    if len(kept) > 300:
        kept = [s for s in kept if alive(s)]
"""
ALIVE = """
def alive(s):
    s.setblocking(False)
    try:
        return bool(s.recv(1))
    except BlockingIOError:
        return True
    except OSError:
        return False
"""


@needs_root
@pytest.mark.parametrize(
    ("sent", "ours", "answer"),
    [
        (connect("www.example.org").decode(), connect(BY_NAME), b"HTTP/1.1 200 "),
        ("", connect(BY_NAME), b"HTTP/1.1 200 "),
        ("GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"page:"),
    ],
    ids=["tunnels", "silence", "the page"],
)
def test_one_login_cannot_take_all_places(
    sent: str, ours: bytes, answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "PAGES", 32)

    async def test(made: Stage) -> None:
        made.front.most = 200
        with played(BERT, ALIVE + HOLD, made.port, sent):
            await until(lambda: made.front.crowded or len(made.front._at_page()) > connection.PAGES // 2)
            await asyncio.sleep(0.3)
            for _ in range(5):
                reader, _ = await made.browser(ours)
                assert (await asyncio.wait_for(reader.read(100), 10)).startswith(answer)
            assert len(made.front.links) <= 200 and len(made.front._at_page()) < connection.PAGES
        for _ in range(10):  # asyncio forgets to close what it accepts in the very turn in which a server closes
            await asyncio.sleep(0.01)
        await until(lambda: len(made.front.links) <= 5 and not made.front.waiting)

    on_stage(test)
