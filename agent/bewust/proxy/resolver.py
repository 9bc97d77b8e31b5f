"""Looks names up as this system does, so that a name whose DNS is dead holds up no other name, login or part of us.

Belongs here: who may look up how much at a time. Not here: connecting. Only the system's own getaddrinfo knows its
hosts file, nsswitch, split DNS, mDNS and a VPN's rules, on all three platforms; it blocks, for half a minute where no
server answers, and cannot be interrupted. So each look-up has a thread for itself, which nobody waits for at the end
(docs/decisions/0023). The threads are shared out by a dynamic threshold (Choudhury and Hahne, "Dynamic Queue Length
Thresholds", 1998): a login may have as many as are free, so that something is always left for the next one.
"""

import asyncio
import contextlib
import errno
import socket
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from bewust.errors import BewustError

type Key = tuple[int | None, str, int, tuple[tuple[str, int], ...]]  # of whom, what, how

THREADS = 128  # look-ups at a time; one login alone may have half
UNASKED = 16  # so many are under way before it is asked whose the next one is
QUEUE = 64  # names of one login that wait for a thread; a browser has at most 32 connections to a proxy


class ResolverBusyError(BewustError, OSError):
    """This login has so many look-ups under way that one more is refused."""

    def __init__(self, host: str) -> None:
        super().__init__(errno.EAGAIN, "too many names are being looked up", host)


class _LookUp:
    """One look-up, which all who ask for the same name share."""

    def __init__(self, key: Key, loop: asyncio.AbstractEventLoop) -> None:
        self.key = key
        self.answer: asyncio.Future[list[Any]] = loop.create_future()
        self.waiting = 0


async def nobody(client: tuple[str, int]) -> int | None:
    """Stand for the owner of a connection where none is known."""
    return None


class Resolver:
    """`whose` tells whose connection from an address of this machine is. One event loop."""

    def __init__(self, whose: Callable[[tuple[str, int]], Awaitable[int | None]] = nobody) -> None:
        self._whose = whose
        self._running: dict[Key, _LookUp] = {}
        self._held: Counter[int | None] = Counter()  # threads of each login
        self._queues: dict[int | None, dict[Key, _LookUp]] = {}

    async def getaddrinfo(self, host: str, port: int, client: tuple[str, int] | None = None, **how: int) -> list[Any]:
        """Return what `socket.getaddrinfo` returns, asked by whoever connected from `client`.

        Raises OSError and UnicodeError as that does, and ResolverBusyError.
        """
        more = tuple(sorted(how.items()))
        found = self._running.get((None, host, port, more))
        if found is None:
            crowded = client is not None and len(self._running) >= UNASKED
            found = self._asked((await self._whose(client) if crowded and client else None, host, port, more))
        found.waiting += 1
        try:
            return await asyncio.shield(found.answer)
        finally:
            found.waiting -= 1
            if not found.waiting:
                self._drop(found)

    def _asked(self, key: Key) -> _LookUp:
        """Return the look-up of a name that is under way or waits; else begin one. Raises ResolverBusyError."""
        waiting = self._queues.get(key[0], {})
        found = self._running.get(key) or waiting.get(key)
        if found is not None:
            return found
        found = _LookUp(key, asyncio.get_running_loop())
        if self._may_begin(key[0]):
            self._begin(found)
        elif len(waiting) < QUEUE:
            self._queues.setdefault(key[0], {})[key] = found
        else:
            raise ResolverBusyError(key[1])
        return found

    def _may_begin(self, who: int | None) -> bool:
        return self._held[who] < THREADS - len(self._running)

    def _begin(self, one: _LookUp) -> None:
        self._running[one.key] = one
        self._held[one.key[0]] += 1
        loop = one.answer.get_loop()
        try:
            threading.Thread(target=self._work, args=(one, loop), name="look-up", daemon=True).start()
        except RuntimeError:  # the system gives us no more threads
            loop.call_soon(self._ended, one, [], ResolverBusyError(one.key[1]))

    def _work(self, one: _LookUp, loop: asyncio.AbstractEventLoop) -> None:
        _, host, port, how = one.key
        found: list[Any] = []
        wrong: Exception | None = None
        try:
            found = socket.getaddrinfo(host, port, **dict(how))
        except Exception as error:  # noqa: BLE001 - told to who asked
            wrong = error
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(self._ended, one, found, wrong)

    def _ended(self, one: _LookUp, found: list[Any], wrong: Exception | None) -> None:
        del self._running[one.key]
        self._held -= Counter([one.key[0]])
        if one.waiting and wrong is not None:
            one.answer.set_exception(wrong)
        else:
            one.answer.set_result(found)
        for who in sorted(self._queues, key=self._held.__getitem__):  # first who has least
            while who in self._queues and self._may_begin(who):
                following = next(iter(self._queues[who].values()))
                self._drop(following)
                self._begin(following)

    def _drop(self, one: _LookUp) -> None:
        """Take a look-up out of its queue: it begins, or nobody waits for it any more."""
        waiting = self._queues.get(one.key[0], {})
        if waiting.get(one.key) is one:
            del waiting[one.key]
            if not waiting:
                del self._queues[one.key[0]]
