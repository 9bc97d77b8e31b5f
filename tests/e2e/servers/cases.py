"""What the walk visits: each case is a site and what a person's browser does there, step by step.

The name of a case is its host below `BELOW`, which is inspected; some need a host whose bodies are inspected too.
"""

import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from h2.settings import SettingCodes

from e2e.servers import http1_answers as one
from e2e.servers import http2_answers as two
from e2e.servers import programs
from e2e.servers.http1 import Answer as Answer1
from e2e.servers.http1 import Http1, Then
from e2e.servers.http2 import Answer as Answer2
from e2e.servers.http2 import Either, Http2
from e2e.servers.origin import Origin, Relayed, Site, Tls

BELOW = ".translate.goog"
IDLE = 0.3  # seconds, instead of some minutes
BROWSERS = ("chromium", "firefox")
RECONNECTING = BROWSERS  # curl 7.88 fails by itself where an HTTP/2 connection of its pool has ended
EVERYBODY = (*BROWSERS, "curl")
ANY = Tls()


@dataclass(frozen=True)
class Open:
    """Go to a page."""

    path: str = "/"
    host: str = ""


@dataclass(frozen=True)
class Fetch:
    """Have the page that is open fetch something: what the answer is for a script. `times` is how often, at once."""

    path: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    size: int = 0  # of a body, in bytes
    times: int = 1


@dataclass(frozen=True)
class Idle:
    """Wait until the site has closed its connections."""


@dataclass(frozen=True)
class Events:
    """Read server-sent events to their end."""

    path: str


@dataclass(frozen=True)
class Socket:
    """Open a WebSocket, say some things and hear them back."""

    path: str


type Step = Open | Fetch | Idle | Events | Socket


@dataclass(frozen=True)
class Case:
    """`make` makes the site anew; `clients` are those that walk it."""

    name: str
    make: Callable[[], Origin | Relayed]
    steps: Sequence[Step]
    tls: Tls = ANY
    host: str = ""
    second: str = ""  # another name of the same site and certificate
    clients: Sequence[str] = EVERYBODY
    curl: Sequence[str] = ()  # options
    pieces: bool = False  # the ClientHello arrives in two

    def __str__(self) -> str:
        return self.name

    @property
    def name_of_host(self) -> str:
        return self.host or self.name + BELOW

    def url(self, step: Open | Fetch | Events | Socket) -> str:
        host = step.host if isinstance(step, Open) and step.host else self.name_of_host
        return f"https://{host}{step.path}"

    def sites(self) -> dict[str, Site]:
        """The site, made anew, by its names."""
        origin, shares = self.make(), self.second
        made = {self.name_of_host.rstrip("."): Site(origin, self.tls, shares)}
        if self.second:
            made[self.second] = Site(origin, self.tls, self.name_of_host)
        return made


AGAIN = (Open(), Idle(), Open(), Fetch("/"), Idle(), Fetch("/"), Open())
ONCE = (Open(), Open())
OLD, NEW = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


def http1(name: str, answers: Mapping[str, Answer1], *steps: Step, **more: object) -> Case:
    """A case of HTTP/1 where the page is open and then each path is fetched, unless steps say otherwise."""
    done = steps or (Open(), *(Fetch(path) for path in answers), Open())
    return Case(name, partial(Http1, answers), done, Tls(("http/1.1",)), **more)  # type: ignore[arg-type]


def http2(name: str, answers: Mapping[str, Answer2], *steps: Step, **more: object) -> Case:
    """The same of HTTP/2."""
    settings = more.pop("settings", None)
    done = steps or (Open(), *(Fetch(path) for path in answers), Open())
    return Case(name, partial(Http2, answers, settings=settings), done, Tls(("h2",)), **more)  # type: ignore[arg-type]


def tls(name: str, tls: Tls, *steps: Step, **more: object) -> Case:
    """A case of the handshake, with ordinary pages behind it."""
    site = Http2 if tls.alpn[:1] == ("h2",) else Http1
    return Case(name, site, steps or ONCE, tls, **more)  # type: ignore[arg-type]


CONNECTIONS = [
    Case("h1-idle-close", partial(Http1, idle=IDLE), AGAIN, Tls(("http/1.1",))),
    Case("h1-idle-cut", partial(Http1, idle=IDLE, end=Then.CUT), AGAIN, Tls(("http/1.1",))),
    Case("h1-idle-reset", partial(Http1, idle=IDLE, end=Then.RESET), AGAIN, Tls(("http/1.1",))),
    Case("h2-idle-goaway", partial(Http2, idle=IDLE), AGAIN, Tls(("h2",)), clients=RECONNECTING),
    Case("h2-idle-close", partial(Http2, idle=IDLE, end="close"), AGAIN, Tls(("h2",)), clients=RECONNECTING),
    Case("h2-idle-reset", partial(Http2, idle=IDLE, end="reset"), AGAIN, Tls(("h2",)), clients=RECONNECTING),
    Case("hypercorn-idle", programs.hypercorn, AGAIN, clients=RECONNECTING),
    Case("node-idle", programs.node, AGAIN, clients=RECONNECTING),
    http1("h1-one-request-each", {"/": one.closing}, Open(), Fetch("/"), Fetch("/", times=4), Open()),
    http1("h1-gone-on-reuse", {"/": one.gone_on_reuse}, Open(), Open(), Fetch("/"), Open()),
    http2("h2-gone-on-reuse", {"/": two.gone_on_reuse}, Open(), Open(), Fetch("/"), Open(),
          clients=("chromium",)),  # Firefox, too, fails by itself
    http1("h1-reset-midway", {"/cut": one.midway(Then.RESET)}),
    http1("h1-cut-midway", {"/cut": one.midway(Then.CUT), "/short": one.midway(Then.CLOSE)}),
    http1("h1-chunks-cut", {"/cut": one.chunks_cut}),
    http2("h2-reset-midway", {"/cut": two.reset_midway, "/long": two.long}, Open(), Fetch("/cut"), Fetch("/long"),
          Open()),
    http2("h2-refused-once", {"/refused": two.refused_once}, clients=RECONNECTING),
    http2("h2-goaway-between", {"/": two.goaway_after}, Open(), Fetch("/"), Fetch("/"), Open(), Open(),
          clients=RECONNECTING),
    http2("h2-goaway-midway", {"/long": two.goaway_midway}, Open(), Fetch("/long"), Open(), Fetch("/long"), Open()),
    http2("h2-goaway-others", {"/long": two.goaway_midway}, Open(), Fetch("/long", times=3), Open()),
    http2("h2-goaway-announced", {"/long": two.goaway_announced}, Open(), Fetch("/long"), Open()),
    http2("h2-goaway-unprocessed", {"/": two.goaway_unprocessed}, Open(), Open(), Fetch("/"), Open(),
          clients=RECONNECTING),
    http2("h2-max-streams-1", {"/long": two.long}, Open(), Fetch("/long", times=6), Open(),
          settings={SettingCodes.MAX_CONCURRENT_STREAMS: 1}),
    http2("h2-small-window", {"/upload": two.upload}, Open(), Fetch("/upload", "POST", size=100_000),
          settings={SettingCodes.INITIAL_WINDOW_SIZE: 1000}),
    http2("h2-answer-before-upload", {"/early": two.before_upload}, Open(), Fetch("/early", "POST", size=10), Open()),
    Case("h2-needs-http1", partial(Either, Http1(), Http2({"/": two.needs_http1})), ONCE, clients=RECONNECTING),
    Case("h2-coalesced", Http2, (Open(), Open(host="h2-coalesced-too" + BELOW), Fetch("/"), Open()), Tls(("h2",)),
         second="h2-coalesced-too" + BELOW),
    Case("h2-misdirected", partial(Http2, {"/": two.misdirected}),
         (Open(), Open(host="h2-misdirected-too" + BELOW), Fetch("/"), Open()), Tls(("h2",)),
         second="h2-misdirected-too" + BELOW),
]  # fmt: skip
MESSAGES = [
    http1("http10", {"/": one.http10, "/kept": one.http10_kept}),
    http1("no-length", {"/": one.no_length, "/cut": one.no_length_cut}),
    http1("h1-early-hints", {"/": one.early, "/many": one.many_early, "/continue": one.uninvited,
                             "/102": one.processing}),
    http2("h2-early-hints", {"/": two.early, "/many": two.many_early}),
    http1("h1-trailers", {"/": one.trailers}),
    http2("h2-trailers", {"/": two.trailers}),
    http1("h1-not-modified", {"/": one.tagged}, Open(), Fetch("/", headers={"if-none-match": '"1"'}), Open()),
    http2("h2-not-modified", {"/": two.tagged}, Open(), Fetch("/", headers={"if-none-match": '"1"'}), Open()),
    http1("ranges", {"/": one.ranged}, Open(), Fetch("/", headers={"range": "bytes=10-19"}),
          Fetch("/", headers={"range": "bytes=-5"}), Fetch("/", headers={"range": "bytes=999999-"})),
    http1("head-and-nothing", {"/204": one.nothing(204), "/205": one.nothing(205), "/304": one.nothing(304)}, Open(),
          Fetch("/", "HEAD"), Fetch("/204"), Fetch("/205"), Fetch("/304"), Fetch("/204", "POST", size=5), Open()),
    http2("h2-head-and-nothing", {"/204": two.nothing(204), "/304": two.nothing(304)}, Open(), Fetch("/", "HEAD"),
          Fetch("/204"), Fetch("/304"), Open()),
    http1("slow", {"/head": one.slow_head, "/late": one.late, "/body": one.slow_body}),
    http2("h2-late", {"/late": two.late}),
    http1("huge-heads", {"/60k": one.huge(60), "/many": one.many_lines}),
    http1("huge-head", {"/200k": one.huge(200)}, clients=BROWSERS),  # curl takes no more than 100 kB
    http2("h2-huge-heads", {"/60k": two.huge(60), "/many": two.many_lines}),
    http1("huge-request", {"/asked": one.asked}, Open(), Fetch("/asked?" + "x" * 12_000),
          Fetch("/asked", headers={"x-long": "y" * 30_000})),
    http1("what-is-asked", {"/asked": one.asked}, Open(), Fetch("/asked?a=%C3%A9&b=%2F&c=a+b&&"),
          Fetch("/a%2Fb//c;d=1"),
          Fetch("/asked", "POST", size=1000), Fetch("/asked", "PUT", {"content-type": "text/plain; charset=utf-8"}, 3),
          Fetch("/asked", "DELETE"), Fetch("/asked", "OPTIONS")),
    http2("h2-what-is-asked", {"/asked": two.asked}, Open(), Fetch("/asked?a=%C3%A9&b=%2F&c=a+b&&"),
          Fetch("/asked", "POST", size=1000), Fetch("/asked", "DELETE")),
    http1("cookies", {"/": one.cookies, "/asked": one.asked}, Open(), Fetch("/asked"), Open()),
    http1("statuses", {f"/{n}": one.plain(n) for n in (201, 299, 400, 403, 404, 418, 429, 500, 503, 599)}),
    http1("redirects", {"/away": one.redirect}, Open("/away"), Fetch("/away"), Open()),
    http1("upload", {"/upload": one.upload}, Open(), Fetch("/upload", "POST", size=3_000_000), Open()),
    http2("h2-upload", {"/upload": two.upload}, Open(), Fetch("/upload", "POST", size=3_000_000), Open()),
    http1("upload-expected", {"/upload": one.continuing, "/no": one.unwanted}, Open(),
          Fetch("/upload", "POST", size=100_000), Fetch("/no", "POST", size=100_000), Open(), clients=("curl",),
          curl=('header = "Expect: 100-continue"',)),
    http1("download", {"/": one.large}, Fetch("/"), Open("/page"), Fetch("/")),
    http2("h2-download", {"/large": two.large}, Open(), Fetch("/large"), Open()),
    http1("events", {"/events": one.events}, Open(), Events("/events"), Open()),
    http2("h2-events", {"/events": two.events}, Open(), Events("/events"), Open()),
    Case("websocket", programs.hypercorn, (Open(), Socket("/ws"), Open(), Socket("/ws")), clients=BROWSERS),
    Case("codings", partial(Http1, one.CODED), (Open(), *[Open(path) for path in one.CODED],
         *[Fetch(path) for path in one.CODED], Open()), Tls(("http/1.1",)), host="www.google.nl"),
    Case("codings-wrong", partial(Http1, one.MISCODED), (Open(), *[Fetch(path) for path in one.MISCODED], Open()),
         Tls(("http/1.1",)), host="www.google.de"),
    Case("node", programs.node, (Open(), Fetch("/trailers"), Fetch("/early"), Fetch("/large"), Open()),
         host="www.google.be"),
]  # fmt: skip
HEADS = [
    *[http1(f"head-{name}", {"/": sent}, Open(), Fetch("/"), Open("/page")) for name, sent in one.HEADS.items()],
    http1("head-chunk-size-wrong", {"/wrong": one.chunk_size_wrong}),  # Chromium itself waits for ever for such a page
    http1("head-informational-is-odd", {"/": one.odd_informational}, Open(), Open("/page"),
          clients=("chromium", "curl")),
    http2("h2-head-informational-is-odd", {"/": two.odd_informational}, Open(), Open("/page"),
          clients=("chromium", "curl")),  # Firefox makes it a status of 999
    *[http2(f"h2-head-{name}", {"/": sent}, Open(), Fetch("/"), Open("/page")) for name, sent in two.HEADS.items()],
]  # fmt: skip
HANDSHAKES = [
    tls("tls-1-2", Tls(("http/1.1",), highest=OLD), *AGAIN[:1], Fetch("/"), Open()),
    tls("tls-1-2-h2", Tls(("h2",), highest=OLD), *ONCE),
    tls("tls-1-3", Tls(lowest=NEW), *ONCE),
    tls("tls-no-alpn", Tls(())),
    tls("tls-hello-retry", Tls(curve="secp384r1")),
    Case("tls-tickets", partial(Http1, {"/": one.closing}), (Open(), Open(), Open()), Tls(("http/1.1",))),
    Case("tls-tickets-1-2", partial(Http1, {"/": one.closing}), (Open(), Open(), Open()),
         Tls(("http/1.1",), highest=OLD)),
    tls("tls-no-tickets", Tls(("http/1.1",), tickets=0)),
    *[tls(f"tls-client-{name}-{version.name[-3:].replace('_', '-')}", Tls(("http/1.1",), version, version, mode),
          Open(), Open(), Open(), Fetch("/"))
      for name, mode in (("optional", ssl.CERT_OPTIONAL), ("required", ssl.CERT_REQUIRED)) for version in (OLD, NEW)],
    tls("tls-ended", Tls(certificate="ended")),
    tls("tls-another-name", Tls(certificate="another name"), Open()),  # Chromium thinks for three seconds
    tls("tls-another-root", Tls(certificate="another root"), Open()),
    tls("tls-trailing-dot", Tls(), host="tls-trailing-dot" + BELOW + "."),
    tls("tls-hello-in-pieces", Tls(), pieces=True),
]  # fmt: skip
CASES = [*CONNECTIONS, *MESSAGES, *HEADS, *HANDSHAKES]
