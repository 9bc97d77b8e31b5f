"""The employee's page, the PAC file and the status, served on the agent's own port.

Belongs here: HTTP and words. Starlette makes the answers and uvicorn's protocol speaks HTTP on the
connections that the front finds to be for us. The page holds the rules, never a count: another
login on this machine can open it too. The commands prove with the token that they are the person.
"""

import asyncio
import secrets
from collections.abc import Mapping
from importlib.resources import files
from typing import Protocol

import msgspec
from jinja2 import Environment, FunctionLoader, select_autoescape
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from uvicorn.config import Config
from uvicorn.server import ServerState

from bewust import routing
from bewust.counters import Key
from bewust.link import Way
from bewust.settings import Rules

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class Status(msgspec.Struct, frozen=True):
    """What `bewust status` shows. Lists of hosts are the catalogue's, never what was visited.

    `silent` are services without a use in so many opportunities of this period; `reviews` are the
    signatures that look into something, by the date of their last review.
    """

    version: str
    pid: int
    port: int
    since: str
    today: str
    inspector: str
    inspector_starts: int
    tunnelled: tuple[str, ...]
    decrypted: tuple[str, ...]
    demoted: Mapping[str, str]
    connections: Mapping[Way, int]
    authority_until: str
    authority_fingerprint: str
    uncovered: tuple[str, ...]
    silent: Mapping[str, int]
    reviews: Mapping[str, list[str]]
    toasts_shown: int
    toasts_failed: int
    toasts_dropped: int
    failures: Mapping[str, int]
    problems: tuple[str, ...]


class Shown(Protocol):
    """What the page knows of an agent; `token` proves that a command is the person's own."""

    rules: Rules
    port: int
    token: str

    def status(self) -> Status:
        """Return what is true now."""

    def counts(self) -> Mapping[Key, int]:
        """Return every counter as it is now."""


def _template(name: str) -> str:
    return files("bewust.page").joinpath("templates").joinpath(name).read_text(encoding="utf-8")


class Page:
    """Answers requests about one agent."""

    def __init__(self, agent: Shown) -> None:
        self._agent = agent
        self._templates = Environment(loader=FunctionLoader(_template), autoescape=select_autoescape(default=True))
        app = Starlette(
            routes=[
                Route("/", self.home),
                Route("/style.css", self.style),
                Route("/proxy.pac", self.pac),
                Route("/status.json", self.status),
                Route("/counts.json", self.counts),
            ],
            # A name that a stranger points to 127.0.0.1 must not reach this page (DNS rebinding).
            middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])],
        )
        self._config = Config(
            app, http="h11", ws="none", lifespan="off", log_config=None, access_log=False,
            server_header=False, proxy_headers=False, timeout_keep_alive=5,
        )  # fmt: skip
        self._state = ServerState()

    def protocol(self) -> asyncio.Protocol:
        """Return a protocol that speaks HTTP on one connection."""
        if not self._config.loaded:
            self._config.load()
        kind = self._config.http_protocol_class
        made: asyncio.Protocol = kind(config=self._config, server_state=self._state, app_state={})  # type: ignore[call-arg]
        return made

    async def home(self, request: Request) -> Response:
        """Say what Bewust does on this machine, now."""
        status = self._agent.status()
        services = self._agent.rules.services
        # The names alone: how often something was looked at is a count, and this page shows none.
        silent = [services[key].name for key in status.silent]
        page = self._templates.get_template("home.html").render(status=status, silent=silent)
        return HTMLResponse(page, headers=HEADERS)

    async def style(self, request: Request) -> Response:
        """Serve the page's own style sheet."""
        return PlainTextResponse(_template("style.css"), headers=HEADERS, media_type="text/css")

    async def pac(self, request: Request) -> Response:
        """Serve the PAC file for this agent's port."""
        text = routing.pac(self._agent.rules.matcher, self._agent.port)
        return PlainTextResponse(text, headers=HEADERS, media_type=routing.PAC_TYPE)

    async def status(self, request: Request) -> Response:
        """Serve the status as JSON, to whoever can read the token in the state folder."""
        return self._private(request, msgspec.json.encode(self._agent.status()))

    async def counts(self, request: Request) -> Response:
        """Serve the counters as they are in memory, to the same."""
        rows = [{**key._asdict(), "n": n} for key, n in self._agent.counts().items()]
        return self._private(request, msgspec.json.encode(rows))

    def _private(self, request: Request, body: bytes) -> Response:
        given = request.headers.get("authorization", "")
        if not secrets.compare_digest(given.encode(), f"Bearer {self._agent.token}".encode()):
            return PlainTextResponse("Ask with the bewust command.\n", status_code=403, headers=HEADERS)
        return Response(body, headers=HEADERS, media_type="application/json")
