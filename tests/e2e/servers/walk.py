"""The walk of servers: python -m e2e.servers.walk [CASE...] prints what each client got directly and through Bewust.

Exits with 1 where they differ and no reason is known. CLIENTS="curl firefox" for some of the clients, SHOW=1 for what
came too.
"""

import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bewust.daemon.state import Settings
from e2e.agents import RunningAgent
from e2e.servers.cases import CASES, EVERYBODY, Case
from e2e.servers.clients import CLIENTS, CONTROL, Outcome
from e2e.servers.http1 import Http1, Request, Then, answer
from e2e.servers.origin import Authority, Servers, Site, Tls

MENDED = "what is malformed in a head is mended or left out on the way; the page is the same"
COMES = "mended on the way, so that the page comes where this client by itself gives up"
NO_HTTP = "no HTTP/1 at all: a browser shows it as text (HTTP/0.9); with Bewust the connection ends"
LENGTHS = "two lengths that differ: only curl takes the last; Bewust ends the connection, as browsers do"
SILENT = "it hangs up after the handshake without an alert that arrives: spliced after three such answers"


@dataclass(frozen=True)
class Meant:
    """A difference that is meant: `heads` alone may differ, it `comes` with Bewust alone, or `fails` with it alone."""

    reason: str
    heads: bool = False
    comes: bool = False
    fails: bool = False


# The short list; whatever else differs is a fault.
MEANT: Mapping[str, Meant] = {
    **dict.fromkeys((f"head-{name}" for name in (
        "length-twice", "length-list", "length-and-chunked", "length-with-plus", "length-is-no-number",
        "length-below-zero", "blank-in-name", "blank-before-colon", "odd-name", "empty-name", "name-is-utf-8",
        "value-has-nul", "value-has-cr", "folded", "no-colon", "blank-line-before", "version-1-2",
    )), Meant(MENDED, heads=True, comes=True)),
    **dict.fromkeys((f"h2-head-{name}" for name in (
        "length-twice", "name-is-capital", "name-has-blank", "name-is-empty", "name-is-odd", "transfer-encoding",
        "connection", "informational-is-odd",
    )), Meant(COMES, heads=True, comes=True)),
    **dict.fromkeys((f"head-{name}" for name in (
        "words-before", "no-head-at-all", "status-is-no-number", "informational-is-odd", "head-cut",
    )), Meant(NO_HTTP, fails=True)),
    "head-length-differs": Meant(LENGTHS, fails=True),
    "tls-client-required-1-3": Meant(SILENT, fails=True),
}  # fmt: skip


class Way:
    """One client in a thread of its own, directly or through an agent; each has sites of its own in the same state."""

    def __init__(self, client: str, authority: Authority, cases: Sequence[Case], state: Path | None) -> None:
        self._name, self._authority, self._cases, self._state = client, authority, cases, state
        self._thread = ThreadPoolExecutor(1)

    def __enter__(self) -> "Way":
        with ExitStack() as stack:
            stack.callback(self._thread.shutdown)
            sites = {name: site for case in self._cases for name, site in case.sites().items()}
            sites[CONTROL] = Site(Http1(other=self._idle), Tls(("http/1.1",)))
            self.servers = stack.enter_context(Servers(self._authority, sites))
            self.agent = self._started(stack)
            client = CLIENTS[self._name](self.servers, self.agent)
            stack.callback(lambda: self._thread.submit(client.__exit__, None, None, None).result())
            self._thread.submit(client.__enter__).result()
            self._client = client
            self._stack = stack.pop_all()
        return self

    def _started(self, stack: ExitStack) -> RunningAgent | None:
        if self._state is None:
            return None
        settings = Settings(
            state=self._state, port=0, resolver=self.servers.resolver, trust=self._authority.root_pem
        )  # fmt: skip
        return stack.enter_context(RunningAgent(settings))

    async def _idle(self, request: Request) -> Then:
        """Answer when the site that the path names has no connection."""
        idle = await self.servers.idle(request.path[1:])
        return await answer(str(idle).encode())(request)

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def walk(self, case: Case) -> Future[list[Outcome]]:
        return self._thread.submit(self._client.walk, case)


@contextmanager
def ways(client: str, cases: Sequence[Case] = CASES) -> Iterator[tuple[Way, Way]]:
    """A client without Bewust and one with it."""
    authority = Authority()
    with tempfile.TemporaryDirectory(prefix="walk-") as state, ExitStack() as stack:
        stack.callback(authority.close)
        own = [case for case in cases if client in case.clients]
        directly = stack.enter_context(Way(client, authority, own, None))
        through = stack.enter_context(Way(client, authority, own, Path(state) / "state"))
        yield directly, through


def compare(case: Case, directly: Way, through: Way) -> list[str]:
    """Walk a case both ways at the same time; how the second differs, step by step."""
    first, second = directly.walk(case), through.walk(case)
    if os.environ.get("SHOW"):
        print(*(f"            {one}" for one in first.result()), sep="\n")
    return differences(first.result(), second.result(), MEANT.get(case.name))


def differences(directly: Sequence[Outcome], through: Sequence[Outcome], meant: Meant | None = None) -> list[str]:
    """All but those that are meant."""
    pairs = enumerate(zip(directly, through, strict=True), 1)
    unlike = ((n, one, other) for n, (one, other) in pairs if one != other)
    return [
        f"outcome {n}: {shown(str(one), str(other))}"
        for n, one, other in unlike
        if not (meant and covers(meant, one, other))
    ]


def covers(meant: Meant, directly: Outcome, through: Outcome) -> bool:
    """Whether this is what is meant to differ."""
    if directly.failed or through.failed:
        return meant.comes if not through.failed else meant.fails and not directly.failed
    return meant.heads and directly.body == through.body


def shown(directly: str, through: str) -> str:
    """Both, where they are short; of long ones what is about their first difference."""
    pairs = enumerate(zip(directly, through, strict=False))
    same = next((n for n, (one, other) in pairs if one != other), min(len(directly), len(through)))
    start = max(0, same - 40) if max(len(directly), len(through)) > 300 else 0
    one, other = (f"{'... ' if start else ''}{text[start : start + 300]}" for text in (directly, through))
    return f"directly {one}; through Bewust {other}"


def main() -> None:
    wanted = sys.argv[1:]
    cases = [case for case in CASES if not wanted or any(case.name.startswith(name) for name in wanted)]
    wrong = 0
    for client in os.environ.get("CLIENTS", " ".join(EVERYBODY)).split():
        began = time.monotonic()
        with ways(client, cases) as (directly, through):
            for case in cases:
                if client not in case.clients:
                    continue
                started = time.monotonic()
                found = compare(case, directly, through)
                meant = MEANT.get(case.name)
                wrong += bool(found)
                how = "DIFFERS" if found else f"same, or: {meant.reason}" if meant else "same"
                print(f"{client:9} {case.name:32} {time.monotonic() - started:5.1f} s  {how}", flush=True)
                for line in found:
                    print(f"{'':12}{line}", flush=True)
            assert through.agent is not None
            status = through.agent.status()
        print(f"{client}: {time.monotonic() - began:.0f} s; failures {status['failures']}; {status.get('demoted')}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
