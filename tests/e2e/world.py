"""The local world that the demonstration and the browser tests visit.

One TLS origin on loopback plays a search engine, a translation endpoint, a chat service and a
site that no catalogue knows, under their real host names. The pages are small and our own; only
their structure is as documented. Belongs here: what an origin would send. Not here: a browser,
the agent, or any expectation about what is detected.
"""

import asyncio
import json
import socket
import threading
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self, cast

import brotli
import trustme
import zstandard
from hypercorn.asyncio import serve
from hypercorn.config import Config
from hypercorn.typing import ASGIFramework
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Host, Route, Router, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

Flush = Callable[[], bytes]
Endpoint = Callable[[Request], Awaitable[Response]]
FRESH = {"cache-control": "no-store"}  # a second visit must reach the origin again
HTML = "text/html"

# What a result page with an answer has, and no other page: an id, a class token, a comment.
ANSWER = (
    '<div jsname="x" id="folsrch_1" data-icl-uuid="0"><div class="a1 mZJni b2">'
    "<strong>AI Overview</strong><p>An invented answer: the tide turns twice a day.</p></div>"
    '<!--Sv6Kpe[["invented",1,[]]]--></div>'
)
# What every result page of 2026 has, answer or not: the same names, where they mean nothing.
DECOYS = (
    "<style>.mZJni{color:#111}.rPeykc{margin:0}</style>"
    "<script>window.names={a:'mZJni',b:\"class='rPeykc mZJni'\",c:'folsrch'};</script>"
    "<nav data-mstk='x'><a href='/search?q=tides&amp;udm=50'>AI Mode</a></nav>"
    "<div style='display:none'>Can't generate an AI overview right now. "
    "An AI Overview is not available for this search.</div>"
)
BING_DECOYS = (
    "<style>.b_hide{display:none}.b-scopeListItem-copilotsearch{order:2}</style>"
    "<div id='b_copilot_search_container' class='b_hide'>Content was generated with AI.</div>"
)
BING_ANSWER = "<div id='b_copilot_search'><div class='b_cs_canvas'>An invented answer.</div></div>"
DUCK_ANSWER = 'DDG.deep.deepPayload={"instantAnswers":[{"data":{"answer":"An invented answer."}}]};'
# A page has itself translated in ten pieces, as Chrome does with one page.
TRANSLATE_IN_TEN = """<script>
  const url = "https://translate-pa.googleapis.com/v1/translateHtml"
  const headers = {"content-type": "application/json+protobuf", "x-goog-api-key": "none"}
  const piece = n => JSON.stringify([[["Paragraph " + n], "en", "nl"], "te_lib"])
  const post = n => fetch(url, {method: "POST", headers, body: piece(n)})
  Promise.all([...Array(10).keys()].map(post)).then(all => {
    if (all.every(answer => answer.ok)) document.title = "translated" })
</script>"""


def page(title: str, body: str) -> str:
    """One HTML document of more than 20 KiB, so that it weighs what a real page weighs."""
    words = "".join(
        f"<p class='r'>Paragraph {n} of an invented article about tides, dykes and bicycles, "
        "which is here because a page without words would be too small to be a page.</p>\n"
        for n in range(140)
    )
    head = f"<meta charset='utf-8'><link rel='icon' href='data:,'><title>{escape(title)}</title>"
    body = f"<h1>{escape(title)}</h1>{body}{words}"
    return f"<!doctype html><html lang='en'><head>{head}</head><body>{body}</body></html>"


def always(body: str, media_type: str = HTML, status: int = 200) -> Endpoint:
    """An endpoint that answers everyone the same."""

    async def endpoint(request: Request) -> Response:
        # Hypercorn drops an HTTP/2 connection on a body that arrives after the answer has ended.
        await request.body()
        return Response(body, status, media_type=media_type, headers=FRESH)

    return endpoint


def fetched_later(name: str, done: str) -> str:
    """An empty place, and the script that fetches its answer once the page is there."""
    return (
        f'<div class="Fzsovc">AI Overview</div><div id="later" data-async-type="{name}"></div>'
        "<script>const q=encodeURIComponent(new URLSearchParams(location.search).get('q'));"
        f"fetch(`/async/{name}?q=${{q}}&async=_fmt:prog`).then(r=>r.text()).then(text=>{{"
        f"document.getElementById('later').innerHTML=text;document.title='{done}'}})</script>"
    )


async def google_search(request: Request) -> Response:
    """`inline` and `lazy` get an answer; `udm=50` gets AI Mode's shell; others an ordinary page."""
    query = request.query_params.get("q", "")
    body = DECOYS
    if request.query_params.get("udm") == "50":
        body += fetched_later("folwr", "mode done")
    elif "inline" in query:
        text = page(query, body + ANSWER).encode()
        return encoded(text, request.query_params.get("enc", "br"))
    elif "lazy" in query:
        body += fetched_later("folsrch", "lazy done")
    return Response(page(query, body), media_type=HTML, headers=FRESH)


async def google_fragment(request: Request) -> Response:
    """The answer alone, in the size of a real fragment: half a megabyte."""
    return encoded(f"{ANSWER}<!--{'.' * 500_000}-->".encode(), "gzip", size=16_000)


async def edge_translate(request: Request) -> Response:
    """A list of texts in, a list of translations out."""
    return JSONResponse([{"translations": [{"text": f"~{t}"}]} for t in await request.json()])


async def translate_html(request: Request) -> Response:
    """Chrome's page translation, the new form: `[[texts, from, to], client]`."""
    texts = (await request.json())[0][0]
    return JSONResponse([[f"~{text}" for text in texts], ["en"] * len(texts)])


def encoded(body: bytes, encoding: str, size: int = 997) -> Response:
    """The body in a content encoding, in pieces, so that names lie across their borders."""

    async def pieces() -> AsyncIterator[bytes]:
        compress, flush, finish = compressor(encoding)
        for start in range(0, len(body), size):
            yield compress(body[start : start + size]) + flush()
            await asyncio.sleep(0.001)  # a piece goes out before the next is made
        yield finish()

    headers = {**FRESH, "content-encoding": encoding}
    return StreamingResponse(pieces(), media_type=HTML, headers=headers)


def compressor(encoding: str) -> tuple[Callable[[bytes], bytes], Flush, Flush]:
    """What compresses, what flushes and what ends a body in this encoding."""
    if encoding == "br":
        br = brotli.Compressor()
        return br.process, br.flush, br.finish
    if encoding == "zstd":
        zstd = zstandard.ZstdCompressor().compressobj()
        return zstd.compress, partial(zstd.flush, zstandard.COMPRESSOBJ_FLUSH_BLOCK), zstd.flush
    deflate = zlib.compressobj(wbits={"gzip": 31, "deflate": 15}[encoding])
    return deflate.compress, partial(deflate.flush, zlib.Z_SYNC_FLUSH), deflate.flush


async def answer_events(request: Request) -> Response:
    """A chat's answer: `n` events, `delay` seconds apart, each with the time of its sending."""
    count = int(request.query_params.get("n", 5))
    delay = float(request.query_params.get("delay", 0.02))
    await request.body()

    async def events() -> AsyncIterator[str]:
        for number in range(count):
            await asyncio.sleep(delay if number else 0)
            yield f"data: {json.dumps({'message': 'word', 'n': number, 'sent': time.time()})}\n\n"
        yield "data: [DONE]\n\n"

    return StreamingResponse(events(), media_type="text/event-stream", headers=FRESH)


async def ws_echo(websocket: WebSocket) -> None:
    """Say back every text until the other side has had enough."""
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)


async def big(request: Request) -> Response:
    """`kb` KiB of bytes."""
    body = bytes(1024 * int(request.query_params.get("kb", 1)))
    return Response(body, media_type="application/octet-stream", headers=FRESH)


async def echo(request: Request) -> Response:
    """How many bytes were posted."""
    return PlainTextResponse(str(sum([len(piece) async for piece in request.stream()])))


ANYWHERE: list[BaseRoute] = [
    Route("/", always(page("Welcome", "<p>An ordinary page.</p>"))),
    Route("/healthz", always("ok", "text/plain")),
    Route("/big", big),
    Route("/echo", echo, methods=["POST"]),
    WebSocketRoute("/ws", ws_echo),
    Route("/{rest:path}", always("nothing", "text/plain", 404), methods=["GET", "POST"]),
]
GOOGLE: list[BaseRoute] = [
    Route("/search", google_search),
    *[Route(f"/async/{name}", google_fragment) for name in ("folsrch", "folwr")],
    Route("/async/hpba", always("[]", "application/json")),
]
ROUTES: dict[str, list[BaseRoute]] = {
    "www.google.com": GOOGLE,
    "www.google.nl": GOOGLE,
    "www.bing.com": [
        Route("/search", always(page("Results", BING_DECOYS))),
        Route("/copilotsearch", always(page("Copilot Search", BING_ANSWER))),
    ],
    "edge.microsoft.com": [Route("/translate/translatetext", edge_translate, methods=["POST"])],
    "translate-pa.googleapis.com": [Route("/v1/translateHtml", translate_html, methods=["POST"])],
    "translate.googleapis.com": [
        Route("/translate_a/l", always('{"sl":{"en":"English"}}', "application/json")),
        Route("/translate_a/t", always("[]", "application/json"), methods=["GET", "POST"]),
    ],
    "www.example.org": [Route("/translate", always(page("To be translated", TRANSLATE_IN_TEN)))],
    "chatgpt.com": [Route("/backend-api/f/conversation", answer_events, methods=["POST"])],
    "duckduckgo.com": [
        Route("/assist.js", always(DUCK_ANSWER, "application/javascript")),
        Route("/duckchat/v1/chat", answer_events, methods=["POST"]),
    ],
}


class World:
    """The origin, in a thread of its own, for as long as the `with` block lasts.

    `resolver` maps every name to the origin's address, `root_pem` is the file with the root that
    vouches for it, `hits` is the host and path of every request that arrived, in order. A browser
    that goes DIRECT and has no resolver of its own needs `port` 443.
    """

    def __init__(self, port: int = 0, address: str = "127.0.0.1") -> None:
        self.hosts = tuple(ROUTES)
        self.hits: list[tuple[str, str]] = []
        self._folder = TemporaryDirectory(prefix="world-")
        self.root_pem = Path(self._folder.name) / "root.pem"
        self._leaf = Path(self._folder.name) / "leaf.pem"
        self._socket = socket.create_server(
            (address, port), family=socket.AF_INET6 if ":" in address else socket.AF_INET
        )
        self.port: int = self._socket.getsockname()[1]
        self.resolver = dict.fromkeys(self.hosts, f"{address}:{self.port}")
        self._application = application()
        self._serving = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def resolver_rules(self) -> str:
        """Chromium's `--host-resolver-rules` for DIRECT traffic; no other name resolves."""
        rules = [f"MAP {host} {address}" for host, address in self.resolver.items()]
        return ", ".join([*rules, "MAP * ~NOTFOUND", "EXCLUDE 127.0.0.1"])

    def __enter__(self) -> Self:
        root = trustme.CA()
        root.cert_pem.write_to_path(self.root_pem)
        # One leaf for all names: a real origin's leaf, too, names many others.
        root.issue_cert(*self.hosts, "*.translate.goog").private_key_and_cert_chain_pem.write_to_path(self._leaf)
        self._thread.start()
        self._serving.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._folder.cleanup()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._serving.set()
        config = Config()
        config.bind = [f"fd://{self._socket.detach()}"]  # bound before, so that the port is known
        config.certfile = config.keyfile = str(self._leaf)
        config.loglevel = "WARNING"
        config.keep_alive_timeout = 60
        app = cast(ASGIFramework, self._answer)
        server = asyncio.create_task(serve(app, config, shutdown_trigger=self._stop.wait))
        await self._stop.wait()
        # Only idle connections end by themselves; whoever still talks is cut off.
        await asyncio.wait({server}, timeout=0.3)
        server.cancel()
        # The server leaves their sockets to the garbage collector, whose complaint meets some later test.
        for transport in list(getattr(self._loop, "_transports", {}).values()):
            transport.abort()
        await asyncio.sleep(0.01)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            host = dict(scope["headers"]).get(b"host", b"").decode().partition(":")[0]
            self.hits.append((host, scope["path"]))
        await self._application(scope, receive, send)


def application() -> Starlette:
    """All hosts as one application; a name that is not ours gets an ordinary page."""
    routes: list[BaseRoute] = []
    for host, own in ROUTES.items():
        router: ASGIApp = Router([*own, *ANYWHERE])
        if host.startswith("translate"):  # a page on any site may call these
            router = CORSMiddleware(router, ["*"], ["*"], ["*"])
        routes.append(Host(host, router))
    return Starlette(routes=[*routes, *ANYWHERE])
