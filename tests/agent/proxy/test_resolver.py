"""A name whose DNS is dead holds up no other name, no other login, and nothing else of us."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bewust.proxy import resolver
from bewust.proxy.resolver import QUEUE, THREADS, UNASKED, Resolver, ResolverBusyError
from support.other_accounts import ANNE, BERT

FOUND = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 443))]
AT = {ANNE: ("127.0.0.1", 1), BERT: ("127.0.0.1", 2)}


class DNS:
    """Stands for `socket.getaddrinfo`: names that begin with "dead" wait until `answer`."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.most = self.now = 0
        self._lock = threading.Lock()
        self.answer = threading.Event()

    def __call__(self, host: str, port: int, **how: int) -> list[Any]:
        with self._lock:
            self.asked.append(host)
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            if host.startswith("dead") and self.answer.wait(60):
                raise socket.gaierror(socket.EAI_AGAIN, "no server answers")
            return FOUND
        finally:
            with self._lock:
                self.now -= 1


@pytest.fixture
def dns(monkeypatch: pytest.MonkeyPatch) -> Iterator[DNS]:
    made = DNS()
    monkeypatch.setattr(socket, "getaddrinfo", made)
    yield made
    made.answer.set()


async def whose(client: tuple[str, int]) -> int | None:
    return {port: who for who, (_, port) in AT.items()}.get(client[1])


def play(test: Callable[[Resolver], Awaitable[None]]) -> None:
    async def main() -> None:
        await asyncio.wait_for(test(Resolver(whose)), 50)

    asyncio.run(main())


async def many(names: Resolver, who: int, number: int, prefix: str = "dead") -> list[asyncio.Task[list[Any]]]:
    """So many look-ups of different names of one login, each at its place."""
    tasks = [asyncio.ensure_future(names.getaddrinfo(f"{prefix}{n}.{who}", 443, AT[who])) for n in range(number)]
    for _ in range(5):
        await asyncio.sleep(0)
    return tasks


async def ended(tasks: list[asyncio.Task[list[Any]]]) -> list[type[BaseException] | None]:
    return [type(error) if isinstance(error, BaseException) else None
            for error in await asyncio.gather(*tasks, return_exceptions=True)]  # fmt: skip


def test_forty_dead_names_hold_up_no_other_name_of_the_same_login(dns: DNS) -> None:
    async def test(names: Resolver) -> None:
        dead = await many(names, ANNE, 40)
        assert await names.getaddrinfo("lives", 443, AT[ANNE]) == FOUND
        dns.answer.set()
        assert await ended(dead) == [socket.gaierror] * 40

    play(test)


def test_whatever_one_login_looks_up_another_still_can(dns: DNS) -> None:
    async def test(names: Resolver) -> None:
        dead = await many(names, ANNE, THREADS + QUEUE + 50)
        assert await names.getaddrinfo("lives", 443, AT[BERT]) == FOUND
        more = await many(names, BERT, THREADS)
        assert await names.getaddrinfo("lives too", 443, ("127.0.0.1", 3)) == FOUND, "and a third"
        dns.answer.set()
        assert {ResolverBusyError, socket.gaierror} == set(await ended([*dead, *more]))
        assert dns.most <= THREADS

    play(test)


def test_what_is_too_much_is_refused_at_once_and_what_waits_has_its_turn(dns: DNS) -> None:
    async def test(names: Resolver) -> None:
        dead = await many(names, ANNE, THREADS + QUEUE)
        refused = [task for task in dead if task.done()]
        assert refused and set(await ended(refused)) == {ResolverBusyError}
        waiting = await many(names, ANNE, 1, "lives")
        assert waiting[0].done(), "there is no place in the queue either"
        dns.answer.set()
        await ended(dead)
        assert await names.getaddrinfo("lives", 443, AT[ANNE]) == FOUND
        assert len(dns.asked) == len(set(dns.asked)) == len(dead) - len(refused) + 1

    play(test)


def test_a_name_is_looked_up_once_for_all_who_ask_meanwhile_and_again_afterwards(dns: DNS) -> None:
    async def test(names: Resolver) -> None:
        same = [asyncio.ensure_future(names.getaddrinfo("dead", 443, AT[ANNE])) for _ in range(50)]
        await asyncio.sleep(0.01)
        assert dns.asked == ["dead"]
        same[0].cancel()
        dns.answer.set()
        assert await ended(same) == [asyncio.CancelledError, *[socket.gaierror] * 49]
        with pytest.raises(socket.gaierror):
            await names.getaddrinfo("dead", 443, AT[ANNE])
        assert dns.asked == ["dead", "dead"]

    play(test)


def test_who_no_longer_waits_for_a_name_frees_its_place_in_the_queue(dns: DNS) -> None:
    async def test(names: Resolver) -> None:
        dead = await many(names, ANNE, THREADS + QUEUE)
        for task in dead:
            task.cancel()
        await asyncio.gather(*dead, return_exceptions=True)
        assert not names._queues
        more = await many(names, ANNE, 1, "lives")
        assert not more[0].done(), "its turn comes when a thread is free"
        dns.answer.set()
        assert await more[0] == FOUND

    play(test)


def test_a_system_that_gives_no_thread_is_busy(dns: DNS, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def test(names: Resolver) -> None:
        monkeypatch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(ResolverBusyError):
            await names.getaddrinfo("lives", 443)
        monkeypatch.undo()
        monkeypatch.setattr(socket, "getaddrinfo", dns)
        assert await names.getaddrinfo("lives", 443) == FOUND

    play(test)


def test_a_name_that_is_none_is_the_error_of_who_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(names: Resolver) -> None:
        with pytest.raises(UnicodeError):
            await names.getaddrinfo("x" * 64 + ".example", 443)

    play(test)


def test_an_end_of_the_loop_waits_for_no_dead_name(dns: DNS) -> None:
    async def main() -> None:
        asking = asyncio.ensure_future(Resolver().getaddrinfo("dead", 443))
        await asyncio.sleep(0.01)
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asking

    asyncio.run(main())
    assert dns.now == 1 and not dns.answer.is_set(), "the loop is closed, and the look-up goes on"
    dns.answer.set()
    for thread in threading.enumerate():
        if thread.name == "look-up":
            thread.join(10)
            assert not thread.is_alive()


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from([ANNE, BERT, None]), st.integers(0, 12), st.booleans()), max_size=60))
def test_every_look_up_ends_and_nothing_is_left_in_whatever_order(
    asks: list[tuple[int | None, int, bool]],
) -> None:
    """With few threads, some of those who ask leaving again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resolver, "THREADS", 6)
        patch.setattr(resolver, "UNASKED", 2)
        patch.setattr(resolver, "QUEUE", 3)
        patch.setattr(socket, "getaddrinfo", dns := DNS())

        async def test(names: Resolver) -> None:
            tasks = []
            for who, name, leaves in asks:
                client = AT[who] if who is not None else None
                tasks.append(asyncio.ensure_future(names.getaddrinfo(f"dead{name}", 443, client)))
                await asyncio.sleep(0)
                if leaves:
                    tasks[-1].cancel()
            dns.answer.set()
            allowed = {socket.gaierror, ResolverBusyError, asyncio.CancelledError}
            assert set(await ended(tasks)) <= allowed
            while names._running:  # of those who left
                await asyncio.sleep(0.001)
            assert not names._queues and not names._held
            assert dns.most <= 6

        play(test)


def test_nobody_is_asked_whose_a_look_up_is_while_there_are_few(dns: DNS) -> None:
    asked = []

    async def count(client: tuple[str, int]) -> int | None:
        asked.append(client)
        return ANNE

    async def main() -> None:
        names = Resolver(count)
        dead = await many(names, ANNE, UNASKED)
        assert asked == []
        await many(names, ANNE, 1, "more")
        assert asked == [AT[ANNE]]
        dns.answer.set()
        await ended(dead)

    asyncio.run(main())
