"""Chromium, Firefox and curl, each walking a case and noting what came: status, headers, bytes, or that nothing did."""

import base64
import json
import subprocess
import time
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

from playwright.sync_api import Error
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from bewust.browsers.launch import trust
from e2e.agents import RunningAgent
from e2e.chromium import Chromium
from e2e.firefox import Firefox, FirefoxError
from e2e.servers.cases import BELOW, Case, Events, Fetch, Idle, Open, Socket, Step
from e2e.servers.origin import PORT, Servers
from e2e.servers.pieces import Pieces

PATIENCE = 15.0  # seconds; what takes longer hangs
# Of one hop (RFC 9110, 7.6.1), or of the moment.
UNSEEN = {"connection", "date", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"}
UNSEEN |= {"x-firefox-spdy"}  # Firefox itself adds it
IN_PIECES = "tls-hello-in-pieces" + BELOW
CONTROL = "control.example"  # where curl asks, in the midst of its walk, to be answered when a site is idle

FETCH = """async ({path, method, headers, size, times, patience}) => {
  const one = async () => {
    try {
      const body = size ? new Blob(["u".repeat(size)]) : undefined
      const signal = AbortSignal.timeout(patience)
      const answer = await fetch(path, {method, headers, body, signal, cache: "no-store"})
      const bytes = await answer.arrayBuffer()
      const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes))
      const json = answer.headers.get("content-type") === "application/json"
      return {status: answer.status, headers: [...answer.headers], size: bytes.byteLength,
              text: json && bytes.byteLength < 2000 ? new TextDecoder().decode(bytes) : "",
              sum: [...sum.slice(0, 6)].map(byte => byte.toString(16).padStart(2, "0")).join("")}
    } catch (error) { return {error: error.name, said: String(error.message)} }
  }
  return await Promise.all([...Array(times)].map(one))
}"""
EVENTS = """async ({path, patience}) => await new Promise(done => {
  const heard = [], source = new EventSource(path)
  const end = how => { source.close(); done([how, heard]) }
  source.onmessage = event => { heard.push([event.lastEventId, event.data]) }
  source.onerror = () => end("ended")
  setTimeout(() => end("hangs"), patience)
})"""
SOCKET = """async ({path, patience}) => await new Promise(done => {
  const heard = [], socket = new WebSocket("wss://" + location.host + path)
  const say = ["one", "x".repeat(70000), "\\u00e9"]
  socket.onopen = () => socket.send(say[0])
  socket.onmessage = event => {
    heard.push(event.data.length)
    heard.length < say.length ? socket.send(say[heard.length]) : socket.close(1000)
  }
  socket.onclose = event => done([event.code, heard])
  setTimeout(() => done(["hangs", heard]), patience)
})"""
SEEN = """[performance.getEntriesByType("navigation")[0].responseStatus, location.pathname + location.search,
  document.title, document.body.innerText]"""


@dataclass(frozen=True)
class Outcome:
    """`came` is what a page or program got: status, head, and what there is of a body; or one thing alone.

    Where nothing came `failed` is "error" or "hangs". `said` is not compared.
    """

    came: tuple[object, ...] = ()
    failed: str = ""
    said: str = field(default="", compare=False)

    @property
    def body(self) -> tuple[object, ...]:
        """What came, without its head."""
        return self.came[:1] + self.came[2:]

    def __str__(self) -> str:
        return f"{self.failed} ({self.said})" if self.failed else str(self.came)


class Browser:
    """What the two browsers have in common; `agent` is None for the way without Bewust."""

    def __init__(self, servers: Servers, agent: RunningAgent | None) -> None:
        self.servers, self.agent = servers, agent
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.folder = Path(stack.enter_context(TemporaryDirectory(prefix="walk-", ignore_cleanup_errors=True)))
            self.roots = [self.servers.authority.root_pem, *([self.agent.root_pem] if self.agent else [])]
            self.pac = ""
            if self.agent:
                pieces = stack.enter_context(Pieces(("127.0.0.1", self.agent.port), proxy=True))
                self.pac = pac(self.agent, pieces.port)
            self.start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def start(self, stack: ExitStack) -> None:
        raise NotImplementedError

    def goto(self, url: str) -> None:
        """Open a page; raises TimeoutError where it hangs, ConnectionError where it does not come."""
        raise NotImplementedError

    def evaluate(self, expression: str) -> Any:
        raise NotImplementedError

    def tab(self, number: int) -> None:
        """Go on in one of several tabs, from 0."""
        raise NotImplementedError

    @property
    def home(self) -> bytes:
        """What tells its processes: a variable in their environment."""
        raise NotImplementedError

    def look(self) -> Any:
        """Status, path, title and words of the page that is open."""
        return self.evaluate(SEEN)

    def walk(self, case: Case) -> list[Outcome]:
        return [outcome for step in case.steps for outcome in self._step(case, step)]

    def _step(self, case: Case, step: Step) -> list[Outcome]:
        if isinstance(step, Idle):
            name = case.name_of_host.rstrip(".")
            return [Outcome((self.servers.do(self.servers.idle(name)),))]
        if isinstance(step, Open):
            return [self._open(case.url(step))]
        try:
            return self._within(step)
        except TimeoutError as error:
            return [Outcome(failed="hangs", said=str(error))]
        except ConnectionError as error:  # the page that should ask is not there
            return [Outcome(failed="error", said=str(error))]

    def _within(self, step: Fetch | Events | Socket) -> list[Outcome]:
        """What the page that is open gets."""
        asked = {"path": step.path, "patience": PATIENCE * 1000}
        if not isinstance(step, Fetch):
            return [Outcome((json.dumps(self._ask(EVENTS if isinstance(step, Events) else SOCKET, asked)),))]
        asked |= {"method": step.method, "headers": dict(step.headers), "size": step.size, "times": step.times}
        return [fetched(answer) for answer in self._ask(FETCH, asked)]

    def _ask(self, script: str, asked: Mapping[str, object]) -> Any:
        return self.evaluate(f"({script})({json.dumps(asked)})")

    def _open(self, url: str) -> Outcome:
        try:
            self.goto(url)
            return Outcome((json.dumps(self.look()),))
        except TimeoutError as error:
            return Outcome(failed="hangs", said=str(error))
        except ConnectionError as error:
            return Outcome(failed="error", said=str(error))


def fetched(answer: Mapping[str, Any]) -> Outcome:
    if "error" in answer:
        return Outcome(failed="hangs" if answer["error"] == "TimeoutError" else "error", said=answer["said"])
    return Outcome((answer["status"], seen(answer["headers"]), answer["size"], answer["sum"], answer["text"]))


def seen(headers: Sequence[Sequence[str]]) -> tuple[tuple[str, str], ...]:
    """Sorted by name, as a page gets them."""
    lowered = ((name.lower(), value) for name, value in headers)
    return tuple(sorted((pair for pair in lowered if pair[0] not in UNSEEN), key=lambda pair: pair[0]))


def pac(agent: RunningAgent, pieces: int) -> str:
    """The agent's own PAC as an address, with one host by a port where ClientHellos arrive in pieces."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(agent.pac_url, timeout=10) as answer:
        own = answer.read().decode()
    assert own.count("function FindProxyForURL") == 1
    script = own.replace("function FindProxyForURL", "function agents") + (
        "\nfunction FindProxyForURL(url, host) {\n"
        f'  return host == "{IN_PIECES}" ? "PROXY 127.0.0.1:{pieces}" : agents(url, host)\n}}\n'
    )
    return "data:application/x-ns-proxy-autoconfig;base64," + base64.b64encode(script.encode()).decode()


class WalkingChromium(Browser):
    def start(self, stack: ExitStack) -> None:
        for root in self.roots:
            trust(self.folder / ".pki" / "nssdb", root)
        rules = self.servers.resolver_rules()
        self._chromium = stack.enter_context(Chromium(self.folder, pac_url=self.pac or None, resolver_rules=rules))

    def tab(self, number: int) -> None:
        self._chromium.tab(number)

    @property
    def home(self) -> bytes:
        return f"HOME={self.folder}".encode()

    def goto(self, url: str) -> None:
        try:
            self._chromium.goto(url, PATIENCE)
        except PlaywrightTimeout as error:
            self._leave()
            raise TimeoutError(error.message.splitlines()[0]) from None
        except Error as error:
            self._leave()
            raise ConnectionError(error.message.splitlines()[0]) from None

    def _leave(self) -> None:
        """Go to an empty page: the browser's own page of an error, still to come, would end what comes next."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            try:
                self._chromium.goto("about:blank")
                return
            except Error as error:
                if "interrupted by another navigation" not in error.message:
                    raise

    def evaluate(self, expression: str) -> Any:
        try:
            return self._chromium.evaluate(expression)
        except Error as error:
            raise ConnectionError(error.message.splitlines()[0]) from None


class WalkingFirefox(Browser):
    def start(self, stack: ExitStack) -> None:
        profile = self.folder / "profile"
        for root in self.roots:
            trust(profile, root)
        self.servers.authority.give(profile)
        prefs: dict[str, str | int | bool] = {
            "network.dns.forceResolve": self.servers.address,
            "network.http.http3.enable": False,
            "security.default_personal_cert": "Select Automatically",
            "network.proxy.type": 2 if self.pac else 0,
            "network.proxy.autoconfig_url": self.pac,
        }
        self._firefox = stack.enter_context(Firefox(profile, prefs=prefs, patience=PATIENCE + 5))

    def tab(self, number: int) -> None:
        self._firefox.tab(number)

    @property
    def home(self) -> bytes:
        return f"HOME={self.folder / 'profile'}".encode()

    def goto(self, url: str) -> None:
        try:
            self._firefox.goto(url)
        except FirefoxError as error:
            raise (TimeoutError if "no answer in" in str(error) else ConnectionError)(str(error)) from None

    def evaluate(self, expression: str) -> Any:
        try:
            return self._firefox.evaluate(expression)
        except FirefoxError as error:
            raise (TimeoutError if "no answer in" in str(error) else ConnectionError)(str(error)) from None


class WalkingCurl:
    """One process for a case, so that it keeps its connections as a browser does."""

    def __init__(self, servers: Servers, agent: RunningAgent | None) -> None:
        self.servers, self.agent = servers, agent
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self.folder = Path(self._stack.enter_context(TemporaryDirectory(prefix="walk-")))
        roots = [self.servers.authority.root_pem, *([self.agent.root_pem] if self.agent else [])]
        self.roots = self.folder / "roots.pem"
        self.roots.write_bytes(b"".join(root.read_bytes() for root in roots))
        if self.agent:
            self.pieces = self._stack.enter_context(Pieces(("127.0.0.1", self.agent.port), proxy=True))
        else:
            self.pieces = self._stack.enter_context(Pieces((self.servers.address, PORT)))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def walk(self, case: Case) -> list[Outcome]:
        folder = Path(TemporaryDirectory(dir=self.folder, delete=False).name)
        steps = [step for step in case.steps for _ in range(step.times if isinstance(step, Fetch) else 1)]
        parts = [self._part(case, step, folder / str(number)) for number, step in enumerate(steps)]
        (folder / "config").write_text("\nnext\n".join(parts))
        done = subprocess.run(
            ["curl", "--config", str(folder / "config")],
            capture_output=True, text=True, timeout=(PATIENCE + 1) * len(steps),
        )  # fmt: skip
        codes = dict(line.split("=") for line in done.stdout.split())
        return [
            outcome(folder / str(number), codes.get(str(number), str(done.returncode)), done.stderr)
            for number in range(len(steps))
        ]

    def _part(self, case: Case, step: Step, output: Path) -> str:
        name = case.name_of_host.rstrip(".")
        url = f"https://{CONTROL}/{name}" if isinstance(step, Idle) else case.url(step)
        lines = [f'url = "{url}"', f'output = "{output}"', f'dump-header = "{output}.head"', "suppress-connect-headers",
                 f'cacert = "{self.roots}"', f'cert = "{self.servers.authority.client_pem}"', f"max-time = {PATIENCE}",
                 f'write-out = "{output.name}=%{{exitcode}}\\n"', "path-as-is", "globoff", "silent",
                 "show-error"]  # fmt: skip
        if self.agent:
            proxy = self.pieces.port if case.pieces else self.agent.port
            lines += [f'proxy = "http://127.0.0.1:{proxy}"', f'noproxy = "{CONTROL}"',
                      f'connect-to = "{CONTROL}:{PORT}:{self.servers.address}:{PORT}"']  # fmt: skip
        else:
            where = f"127.0.0.1:{self.pieces.port}" if case.pieces else f"{self.servers.address}:{PORT}"
            lines.append(f'connect-to = "::{where}"')
        if isinstance(step, Fetch):
            lines += self._asking(step, output)
            lines += case.curl
        return "\n".join(lines)

    def _asking(self, step: Fetch, output: Path) -> list[str]:
        lines = [f'header = "{name}: {value}"' for name, value in step.headers.items()]
        lines.append("head" if step.method == "HEAD" else f'request = "{step.method}"')
        if step.size:
            body = output.with_suffix(".body")
            body.write_bytes(b"u" * step.size)
            lines.append(f'data-binary = "@{body}"')
        return lines


def outcome(output: Path, code: str, said: str) -> Outcome:
    """What curl wrote of one transfer. Every head that came counts, trailers too.

    Not so "100 Continue": whether a body may come, an intermediary may say by itself (RFC 9110, 10.1.1).
    """
    if code != "0":
        return Outcome(failed="hangs" if code == "28" else "error", said=f"curl {code} {said.strip()[-200:]}")
    heads = Path(f"{output}.head").read_bytes().decode("latin-1").replace("\r\n", "\n").split("\n\n")
    found = [head.split("\n") for head in heads if head.strip()]
    found = [lines for lines in found if lines[0].split(" ")[1:2] != ["100"]]
    parsed = [(lines[0].split(" ")[1:2], lines_of(lines[1:]))
              if lines[0].startswith("HTTP/") else ("trailers", lines_of(lines))
              for lines in found]  # fmt: skip
    body = output.read_bytes() if output.exists() else b""
    text = body.decode() if body.startswith(b"{") and len(body) < 2000 else ""
    statuses = " ".join("".join(first) for first, _ in parsed)
    return Outcome((statuses, str(parsed), len(body), sha256(body).hexdigest()[:12], text))


def lines_of(lines: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Header lines as they are compared."""
    return seen([(name, value.strip(" ")) for name, _, value in (line.partition(":") for line in lines if line)])


CLIENTS: Mapping[str, type[WalkingChromium] | type[WalkingFirefox] | type[WalkingCurl]] = {
    "chromium": WalkingChromium,
    "firefox": WalkingFirefox,
    "curl": WalkingCurl,
}
