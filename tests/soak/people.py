"""Fifty busy employees in one process: what they do, and what the agent must have counted of it.

Each answer's certificate tells which way it came: one of the agent's own authority was inspected and counts;
the site's own was passed by, as in an outage, and does not. What broke off may have been counted or not.
"""

import asyncio
import random
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import httpx
import websockets

type Key = tuple[str, str]
type Deed = Callable[["Person"], Awaitable[None]]

PEOPLE = 50
SEEN, USE = ("google-ai-overview", "seen"), ("google-ai-overview", "use")
VISIT = ("chatgpt", "visit")
SECONDS = 20.0  # a person waits no longer
TOUCHED = 50.0  # seconds; a tunnel open for longer than a minute is told again


class Tally:
    """`surely` was counted, `perhaps` more; `done` are deeds by name, `passed` failed open, `broken` is the rest."""

    def __init__(self) -> None:
        self.surely: Counter[Key] = Counter()
        self.perhaps: Counter[Key] = Counter()
        self.done: Counter[str] = Counter()
        self.passed = 0
        self.broken: Counter[str] = Counter()
        self.wrong: list[str] = []

    def differences(self, counted: Mapping[Key, int]) -> list[str]:
        """What the agent has too few or too many of."""
        keys = sorted({*self.surely, *self.perhaps})
        bounds = {key: (self.surely[key], self.surely[key] + self.perhaps[key]) for key in keys}
        return [
            f"{service} {kind}: {counted.get((service, kind), 0)}, not {low} to {high}"
            for (service, kind), (low, high) in bounds.items()
            if not low <= counted.get((service, kind), 0) <= high
        ]


class Person:
    """`trust` makes the contexts: httpx writes into its own that it speaks HTTP/2."""

    def __init__(self, number: int, port: int, trust: Callable[[], ssl.SSLContext], tally: Tally) -> None:
        self.chance = random.Random(number)
        self.port, self.trust, self.http1, self.tally = port, trust(), trust(), tally
        self.http = self.browser()

    def browser(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            proxy=f"http://127.0.0.1:{self.port}", verify=self.trust, http2=self.chance.random() < 0.5,
            timeout=SECONDS, trust_env=False,
        )  # fmt: skip

    async def live(self, pause: float) -> None:
        """Do one thing after the other, `pause` seconds apart at the mean, until cancelled."""
        names, weights = zip(*((deed, weight) for deed, weight, _ in DEEDS), strict=True)
        counts = {deed: keys for deed, _, keys in DEEDS}
        while True:
            await asyncio.sleep(self.chance.expovariate(1 / pause))
            (deed,) = self.chance.choices(names, weights)
            await self.act(deed, counts[deed])

    async def act(self, deed: Deed, keys: Sequence[Key]) -> None:
        name = deed.__name__
        try:
            await deed(self)
        except PassedError:
            self.tally.passed += 1
        except (httpx.HTTPError, OSError, websockets.WebSocketException, TimeoutError, EOFError) as error:
            self.tally.broken[f"{name} {type(error).__name__}"] += 1
            self.tally.perhaps.update(keys)
        except AssertionError as error:
            self.tally.wrong.append(f"{name}: {error}")
        except asyncio.CancelledError:
            self.tally.perhaps.update(keys)
            raise
        else:
            self.tally.done[name] += 1
            self.tally.surely.update(keys)

    async def ask(self, method: str, url: str, *, looked_into: bool = True, **more: Any) -> bytes:
        """Return a whole body. PassedError where a host that is inspected was not."""
        async with self.http.stream(method, url, **more) as answer:
            stream = answer.extensions["network_stream"]
            certificate = stream.get_extra_info("ssl_object").getpeercert()
            body = b"".join([piece async for piece in answer.aiter_bytes()])
            assert answer.status_code == 200, f"status {answer.status_code}"
        if looked_into and not ours(certificate):
            raise PassedError
        return body


class PassedError(Exception):
    """Came undecrypted: nothing is counted."""


def ours(certificate: Mapping[str, Any]) -> bool:
    return "Bewust" in str(certificate["issuer"])


# What a person does: how often in some two hundred deeds, and what each counts.


async def ordinary_page(one: Person) -> None:
    assert b"AI Mode" in await one.ask("GET", "https://www.google.nl/search?q=weather")


async def answered_page(one: Person) -> None:
    coding = one.chance.choice(["br", "gzip", "zstd"])
    assert b"turns twice a day" in await one.ask("GET", f"https://www.google.nl/search?q=inline&enc={coding}")


async def fragment(one: Person) -> None:
    assert len(await one.ask("GET", "https://www.google.nl/async/folsrch?q=tides&async=_fmt:prog")) > 500_000


async def prompt(one: Person) -> None:
    words = one.chance.randrange(5, 60)
    said = await one.ask("POST", f"https://duckduckgo.com/duckchat/v1/chat?n={words}&delay=0.03", json={"model": "x"})
    assert said.count(b'"message"') == words and said.endswith(b"data: [DONE]\n\n")


async def translation(one: Person) -> None:
    texts = [["Paragraph", "Another"], "en", "nl"]
    headers = {"content-type": "application/json+protobuf"}
    url = "https://translate-pa.googleapis.com/v1/translateHtml"
    assert b"~Another" in await one.ask("POST", url, json=[texts, "te_lib"], headers=headers)


async def chat(one: Person) -> None:
    """A connection of its own, for a visit is counted once a connection."""
    async with one.browser() as alone:
        answer = await alone.get("https://chatgpt.com/")
        assert b"An ordinary page" in answer.content


async def elsewhere(one: Person) -> None:
    assert b"ordinary" in await one.ask("GET", "https://www.example.org/", looked_into=False)


async def flaky_site(one: Person) -> None:
    assert await one.ask("GET", "https://www.bing.com/search?q=a", looked_into=False)


async def download(one: Person) -> None:
    assert len(await one.ask("GET", "https://www.google.nl/big?kb=10240")) == 10 << 20


async def own_page(one: Person) -> None:
    async with httpx.AsyncClient(trust_env=False, timeout=SECONDS) as direct:
        assert "Bewust" in (await direct.get(f"http://127.0.0.1:{one.port}/nl/")).text


async def socket(one: Person) -> None:
    proxy = f"http://127.0.0.1:{one.port}"
    url = "wss://www.google.nl/ws"
    async with websockets.connect(url, proxy=proxy, ssl=one.http1, open_timeout=SECONDS) as talking:
        for number in range(one.chance.randrange(1, 100)):
            await talking.send(f"message {number}")
            async with asyncio.timeout(SECONDS):
                assert await talking.recv() == f"message {number}"
            await asyncio.sleep(one.chance.random() / 20)


DEEDS: Sequence[tuple[Deed, int, Sequence[Key]]] = (
    (ordinary_page, 60, (SEEN,)), (answered_page, 20, (SEEN, USE)), (fragment, 10, (USE,)),
    (prompt, 10, (("duck-ai", "use"),)), (translation, 40, (("chrome-translate", "use"),)), (chat, 30, (VISIT,)),
    (elsewhere, 20, ()), (flaky_site, 10, ()), (download, 3, ()), (own_page, 4, ()), (socket, 6, ()),
)  # fmt: skip
