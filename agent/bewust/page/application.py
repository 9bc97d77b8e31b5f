"""The employee's page, the PAC file and the status, served on the agent's own port.

Belongs here: HTTP. Starlette makes the answers and uvicorn's protocol speaks HTTP on the connections
that the front finds to be for us. Another login on this machine can open the page too, so each request
asks the agent whose connection it is. The commands prove with the token that they are the person.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from importlib.resources import files
from pathlib import Path

import msgspec
from jinja2 import Environment, FunctionLoader, StrictUndefined, select_autoescape
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from uvicorn.config import Config
from uvicorn.server import ServerState

from bewust.catalogue import Matcher
from bewust.config import Chooser, Rules, TextsError, texts
from bewust.config import languages as config_languages
from bewust.model import Context
from bewust.page import guard, kept, now, rules, unseen, why
from bewust.page.guard import RefusedError
from bewust.page.shown import AgentView, Login, Status
from bewust.page.view import View, soft_hyphenate
from bewust.page.words import languages
from bewust.proxy import pac as proxy_pac
from bewust.statistics.counters import by_service

__all__ = ["AgentView", "Page", "Status"]

THEME = "theme.css"  # the organisation's tokens, in its own folder
SECONDS_DIGITS = 9  # of a pause; the policy allows far less
THEME_LIMIT = 64 << 10  # bytes; tokens are a few KiB
STATIC = {"nlds.css": "text/css", "theme.css": "text/css", "page.css": "text/css", "copy.js": "text/javascript",
          "icon.svg": "image/svg+xml"}  # fmt: skip
SNOOZES = {"hour": False, "today": False, "week": True, "end": None}  # span -> whether it is of one context

type Facts = Callable[[View], Mapping[str, object]]

PAGES: Mapping[str, Facts] = {"": now.facts, "why": why.facts, "kept": kept.facts, "unseen": unseen.facts,
                              "rules": rules.facts}  # fmt: skip
SCRIPTED = ("why", "oops")  # pages with a button that copies


def _own(folder: str, name: str) -> str:
    return files("bewust.page").joinpath(folder).joinpath(name).read_text(encoding="utf-8")


class Page:
    """Answers requests about one agent."""

    def __init__(self, agent: AgentView) -> None:
        self._agent = agent
        self._choosers: dict[str, Chooser] = {}
        self._chosen_under: Rules | None = None
        self._templates = Environment(
            loader=FunctionLoader(partial(_own, "templates")), autoescape=select_autoescape(default=True),
            undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        )  # fmt: skip
        self._templates.filters["breaking"] = soft_hyphenate
        app = Starlette(
            routes=self._routes(),
            # A name that a stranger points to 127.0.0.1 must not reach this page (DNS rebinding).
            middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1"])],
            exception_handlers={HTTPException: self.report_mistake, RefusedError: self.refused},  # type: ignore[dict-item]
        )
        self._config = Config(
            app, http="h11", ws="none", lifespan="off", log_config=None, access_log=False,
            server_header=False, proxy_headers=False, timeout_keep_alive=5,
        )  # fmt: skip
        self._state = ServerState()

    def _routes(self) -> list[Route]:
        found = [
            Route("/", self.home),
            Route("/why", self.home),
            Route("/proxy.pac", self.pac),
            Route("/status.json", self.status),
            Route("/counts.json", self.counts),
            Route("/held.json", self.held),
            Route("/pause", self.pause, methods=["POST"]),
            Route("/static/organisation.css", self.organisation),
            Route("/static/{name}", self.static),
        ]
        for language in languages():
            for slug, facts in [*PAGES.items(), ("oops", why.mistaken_page)]:
                found.append(Route(f"/{language}/{slug}", self._shows(language, slug, facts)))
            found += [
                Route(f"/{language}/kept/delete", partial(self.ask_delete, language)),
                Route(f"/{language}/kept/delete", partial(self.delete, language), methods=["POST"]),
                Route(f"/{language}/snooze", partial(self.snooze, language), methods=["POST"]),
            ]
        return found

    def protocol(self) -> asyncio.Protocol:
        """Return a protocol that speaks HTTP on one connection."""
        if not self._config.loaded:
            self._config.load()
        kind = self._config.http_protocol_class
        made: asyncio.Protocol = kind(config=self._config, server_state=self._state, app_state={})  # type: ignore[call-arg]
        return made

    # Pages.

    async def home(self, request: Request) -> Response:
        """Lead to a page in the organisation's language: this one, or the one a reminder names."""
        return RedirectResponse(f"/{self._language(request)}{request.url.path}", 307, headers=guard.headers())

    def _shows(self, language: str, slug: str, facts: Facts) -> Callable[[Request], Awaitable[Response]]:
        async def show(request: Request) -> Response:
            view = await self._view(request, language)
            return self._answer(view, slug, facts(view))

        return show

    async def ask_delete(self, language: str, request: Request) -> Response:
        """Ask once more before the counters are deleted."""
        view = await self._view(request, language)
        if not view.may_delete:
            raise RefusedError(403, "error.delete")
        return self._answer(view, "kept/delete", {})

    async def report_mistake(self, request: Request, error: HTTPException) -> Response:
        """Say that there is no such page, in the page's look."""
        view = await self._view(request, self._language(request))
        found = {"message": view.words("error.missing" if error.status_code == 404 else "error.method")}
        return self._answer(view, "error", found, error.status_code, error.headers)

    async def refused(self, request: Request, error: RefusedError) -> Response:
        """Say why a form was not accepted."""
        view = await self._view(request, self._language(request))
        return self._answer(view, "error", {"message": view.words(error.words)}, error.status)

    # What a person does.

    async def snooze(self, language: str, request: Request) -> Response:
        """Hold back reminders for a while, or no longer."""
        who, form = await self._act(request, "snooze")
        span, context = form.get("span", ""), form.get("context", "")
        one = SNOOZES.get(span, not context)  # an unknown span is refused below
        if span not in SNOOZES or (context and context not in set(Context)) or one not in (None, bool(context)):
            raise RefusedError(400, "error.form")
        self._agent.snooze(who, span, Context(context) if context else None)  # type: ignore[arg-type]
        return _after(f"/{language}/#snooze")

    async def delete(self, language: str, request: Request) -> Response:
        """Delete this period's counters."""
        await self._act(request, "delete")
        if not (await self._view(request, language)).may_delete:
            raise RefusedError(403, "error.delete")
        self._agent.forget()
        return _after(f"/{language}/kept#counts")

    async def _act(self, request: Request, purpose: str) -> tuple[int, Mapping[str, str]]:
        """Return who sent a form, and the form. Raises RefusedError where it is not surely their own."""
        guard.check_origin(request, self._agent.port)
        form = await guard.read_form(request)
        login = await self._login(request)
        if login is None:
            raise RefusedError(403, "error.nobody")
        if not guard.is_proven(self._agent.token, login.who, purpose, form.get("token", "")):
            raise RefusedError(403, "error.token")
        return login.who, form

    # Files and figures.

    async def static(self, request: Request) -> Response:
        """Serve a style sheet, or the script that copies."""
        name = request.path_params["name"]
        if name not in STATIC:
            raise HTTPException(404)
        return Response(_own("static", name), headers=guard.headers(), media_type=STATIC[name])

    async def organisation(self, request: Request) -> Response:
        """Serve the organisation's tokens, as they are now."""
        theme = self._theme()
        try:
            if theme is None or theme.stat().st_size > THEME_LIMIT:
                raise HTTPException(404)
            return Response(theme.read_bytes(), headers=guard.headers(), media_type="text/css")
        except OSError as error:
            raise HTTPException(404) from error

    async def pac(self, request: Request) -> Response:
        """Serve the PAC file for this agent's port; while it is stopped, one that leads past it."""
        network = self._agent.rules.policy.network
        matcher = Matcher({}, {}, ()) if self._agent.stopped else self._agent.rules.matcher
        text = proxy_pac.pac(matcher, self._agent.port, network.upstream, network.direct)
        return PlainTextResponse(text, headers=guard.headers(), media_type=proxy_pac.PAC_TYPE)

    async def status(self, request: Request) -> Response:
        """Serve the status as JSON, to whoever can read the token in the state folder."""
        return self._private(request, lambda: msgspec.json.encode(self._agent.status()))

    async def counts(self, request: Request) -> Response:
        """Serve the counters as they are in memory, to the same."""
        return self._private(request, lambda: msgspec.json.encode(by_service(self._agent.counts())))

    async def held(self, request: Request) -> Response:
        """Serve why reminders were held back, to the same."""
        return self._private(request, lambda: msgspec.json.encode(by_service(self._agent.contents().held)))

    async def pause(self, request: Request) -> Response:
        """Stop everything for `seconds`, 0 to go on; for whoever can read the token in the state folder."""

        def act() -> bytes:
            seconds = request.query_params.get("seconds", "")
            self._agent.pause(float(seconds) if seconds.isdecimal() and len(seconds) < SECONDS_DIGITS else 0)
            return msgspec.json.encode(self._agent.status())

        return self._private(request, act)

    def _private(self, request: Request, body: Callable[[], bytes]) -> Response:
        given = request.headers.get("authorization", "")
        if not secrets.compare_digest(given.encode(), f"Bearer {self._agent.token}".encode()):
            return PlainTextResponse("Ask with the bewust command.\n", status_code=403, headers=guard.headers())
        return Response(body(), headers=guard.headers(), media_type="application/json")

    # How an answer is made.

    def _language(self, request: Request) -> str:
        """Return the language in the address, else the policy's, else the default one."""
        asked = request.url.path.split("/")[1]
        own = self._agent.rules.policy.language.partition("-")[0]
        return next((code for code in (asked, own) if code in languages()), config_languages.DEFAULT)

    async def _login(self, request: Request) -> Login | None:
        client = request.client
        return None if client is None else await self._agent.login((client.host, client.port))

    async def _view(self, request: Request, language: str) -> View:
        login = await self._login(request)
        return View(self._agent, self._agent.status(), login, languages()[language], self._chooser(language))

    def _chooser(self, language: str) -> Chooser:
        """Return the names of services in a language; in the organisation's where there are no texts in it."""
        found = self._agent.rules
        if self._chosen_under is not found:
            self._choosers, self._chosen_under = {}, found
        if language not in self._choosers:
            try:
                words = texts.load(language, found.folder)
            except TextsError:
                words = found.texts
            self._choosers[language] = Chooser(found.policy, words)
        return self._choosers[language]

    def _theme(self) -> Path | None:
        """Return the organisation's theme, None where it has none."""
        folder = self._agent.rules.folder
        theme = folder / THEME if folder is not None else None
        return theme if theme is not None and theme.is_file() else None

    def _answer(
        self, view: View, slug: str, facts: Mapping[str, object], status: int = 200,
        more: Mapping[str, str] | None = None,
    ) -> Response:  # fmt: skip
        page = self._templates.get_template(f"{(slug or 'now').replace('/', '_')}.html").render(
            facts, v=view, t=view.words, slug=slug, page=self._agent.rules.policy.page, token=self._token(view),
            languages=languages(), own=self._theme() is not None, scripted=slug in SCRIPTED, pages=list(PAGES),
        )  # fmt: skip
        return HTMLResponse(page, status, headers={**guard.headers(script=slug in SCRIPTED), **(more or {})})

    def _token(self, view: View) -> Callable[[str], str]:
        """Return what makes the hidden field of a form for whoever asks."""

        def token(purpose: str) -> str:
            return guard.form_token(self._agent.token, view.login.who, purpose) if view.login is not None else ""

        return token


def _after(path: str) -> Response:
    """Lead on after a form, so that loading the page again does nothing twice."""
    return RedirectResponse(path, status_code=303, headers=guard.headers())
