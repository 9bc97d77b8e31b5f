"""Too many connections at a time: a login that has more than its share opens no more, and all others do.

Belongs here: who gets a place where places are few. Not here: what a connection is for. Until half of the
places are taken nobody is asked for anything; after that whose a connection is costs some milliseconds, and
one look answers all who wait. Where the system does not tell (system.socket_owner), the places go to who comes first.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from bewust.system.socket_owner import ASKING, Address

if sys.platform != "win32":
    import resource

RESERVED_DESCRIPTORS = 256  # file descriptors for all that is no connection
DESCRIPTORS_EACH = 3  # for each place: the two of a tunnel, and one for another that waits to be looked at
MAX_CONNECTIONS = 5000  # connections at a time; a browser has at most 32 to a proxy, and some WebSockets
SHARE = 16  # of the places is one login's share, once half of all are taken
LOOK_SECONDS = 0.1  # between two looks at whose all connections are
ATTEMPTS = 3  # looks for a connection that was made while the last one was under way

type Owners = Mapping[Address, int]


def max_connections() -> int:
    """Return how many connections may be there at a time, asking for as many file descriptors as we may have."""
    if sys.platform == "win32":
        return MAX_CONNECTIONS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = RESERVED_DESCRIPTORS + DESCRIPTORS_EACH * MAX_CONNECTIONS
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        soft = most
    return (
        MAX_CONNECTIONS
        if soft == resource.RLIM_INFINITY
        else max(16, min(MAX_CONNECTIONS, (soft - RESERVED_DESCRIPTORS) // DESCRIPTORS_EACH))
    )


class ConnectionQuota:
    """Says who may open one more. `look` returns whose each connection to us is; it is called in a thread."""

    def __init__(self, look: Callable[[], Owners]) -> None:
        self._look = look
        self._looking: asyncio.Task[Owners] | None = None

    async def admits(
        self, client: Address | None, share: int, there: Callable[[], Iterable[Address]] | None = None
    ) -> bool:
        """Whether the login at `client` has at most `share` of all connections to us, or of what `there` tells."""
        who, turns = None, 0
        while client is not None and who is None and turns < ATTEMPTS:
            whose = await self._owners()
            who, turns = whose.get(client), turns + 1
        if who is None:
            return True  # gone already, or the system does not tell
        held = Counter(whose.values())[who] if there is None else sum(whose.get(one) == who for one in there())
        return held <= share

    async def _owners(self) -> Owners:
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._look_soon())
        return await asyncio.shield(self._looking)

    async def _look_soon(self) -> Owners:
        await asyncio.sleep(LOOK_SECONDS)  # first: who comes now is in what is seen then
        return await asyncio.get_running_loop().run_in_executor(ASKING, self._look)
