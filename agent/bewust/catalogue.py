"""TOML -> services. Reads the shipped catalogue and, over it, the administrator's folder.

Belongs here: the schema, its checks and their messages. Not here: matching. Every mistake is one
`CatalogueError` that names the file, the entry and the remedy.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import msgspec
import tomli

from bewust.model import Context, Level, Marker, Response, Service, Signature

DEFAULT_GAPS = {Context.SEARCH: 10.0, Context.TRANSLATION: 60.0}
STAND_ALONE_GAP = 30 * 60.0
DEFAULT_COUNTRIES = ("com", "nl", "be", "de", "fr")
LONGEST_GAP = 24 * 3600.0  # seconds; Activities remembers a day
FILE_LIMIT = 1 << 20  # bytes; the largest vendor file here is under 10 KiB

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_SIZES = {"KiB": 1 << 10, "MiB": 1 << 20}
_MARKER = re.compile(r"([A-Za-z][\w:-]*)(~=|\^=|=)(.+)", re.DOTALL)
_HEADER = re.compile(r"^[ \t]*\[\[[ \t]*service[ \t]*\.[ \t]*signature[ \t]*\]\]", re.MULTILINE)
_NAME = re.compile(r"(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")


class CatalogueError(ValueError):
    """A mistake in the catalogue: `file`, `entry` (where in it), what is wrong, what to do."""

    def __init__(self, file: str, entry: str, problem: str, remedy: str) -> None:
        super().__init__(f"{file}: {entry}: {problem}. {remedy}")
        self.file, self.entry, self.problem, self.remedy = file, entry, problem, remedy


class _RawResponse(msgspec.Struct, forbid_unknown_fields=True):
    type: str
    markers: list[str]
    within: str = "2 MiB"


class _RawSignature(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    level: Level
    hosts: list[str]
    file: str
    line: int
    methods: list[str] = []
    path: str | None = None
    path_regex: str | None = None
    query: dict[str, str | bool] = {}
    headers: dict[str, str] = {}
    websocket: bool | None = None
    response: _RawResponse | None = None


class _RawService(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    name: str
    vendor: str
    context: Context
    evidence: str
    reviewed: date
    signature: list[_RawSignature]
    embedded: bool = False
    gap: str | None = None
    aliases: list[str] = []


def normalise_host(host: str) -> str:
    """Return the ASCII, lower-case name without port, brackets or trailing dot; "" if it is none.

    One place for it, because every look-up and every comparison of hosts has to agree.
    """
    name = re.sub(r":[0-9]*$", "", host.strip()).lower()
    if not name.isascii():
        try:
            name = name.encode("idna").decode("ascii").lower()
        except UnicodeError:
            return ""
    name = name.removesuffix(".")
    return name if _NAME.fullmatch(name) else ""


def glob(pattern: str) -> str:
    """Translate a glob (`*` any text, `?` one character) to a regular expression."""
    return "".join({"*": ".*", "?": "."}.get(c) or re.escape(c) for c in pattern)


def load(overlay: Traversable | None = None, countries: Sequence[str] = DEFAULT_COUNTRIES) -> tuple[Service, ...]:
    """Return all services, sorted by id; `overlay` is laid over the shipped ones.

    `countries` replace `{country}` in host names. Raises CatalogueError on the first mistake.
    """
    entries = _unique(_read(files("bewust_config"), shipped=True))
    if overlay is not None:
        for key, entry in _unique(_read(overlay, shipped=False)).items():
            entries[key] = _laid_over(entries[key], entry) if key in entries else entry
    return tuple(_service(entries[key], countries) for key in sorted(entries))


def parse(text: str, file: str, countries: Sequence[str] = DEFAULT_COUNTRIES) -> tuple[Service, ...]:
    """Return the services of one file's text; `file` is the name used in errors and detections."""
    return tuple(_service(entry, countries) for entry in _unique([(file, text)]).values())


def _read(folder: Traversable, *, shipped: bool) -> Iterable[tuple[str, str]]:
    """Yield name and text of each file; the administrator's have their path as name."""
    services = folder.joinpath("services")
    try:
        found = sorted(services.iterdir(), key=lambda item: item.name) if services.is_dir() else []
    except OSError as error:
        raise CatalogueError(str(services), "folder", f"cannot be read ({error.strerror})",
                             "Check its owner and mode.") from error  # fmt: skip
    for file in found:
        if not file.name.endswith(".toml"):
            continue
        try:
            data = file.read_bytes()
        except OSError as error:
            raise CatalogueError(str(file), "file", f"cannot be read ({error.strerror})",
                                 "Check its owner and mode.") from error  # fmt: skip
        if len(data) > FILE_LIMIT:
            raise CatalogueError(str(file), "file", "is larger than 1 MiB", "Split it by vendor.")
        try:
            yield file.name if shipped else str(file), data.decode("utf-8-sig")  # Notepad writes a mark
        except UnicodeDecodeError as error:
            raise CatalogueError(str(file), f"byte {error.start}", "is not UTF-8",
                                 "Save the file as UTF-8.") from error  # fmt: skip


def _entries(file: str, text: str) -> list[dict[str, Any]]:
    try:
        table = tomli.loads(text)
    except (ValueError, RecursionError) as error:  # a bare ValueError for a number of 4300 digits
        raise CatalogueError(file, "file", f"is not TOML ({error})",
                             "Mend the line it names; https://toml.io shows the syntax.") from error  # fmt: skip
    services = table.pop("service", [])
    if table or not isinstance(services, list) or not all(isinstance(s, dict) for s in services):
        raise CatalogueError(file, ", ".join(table) or "service", "is not a list of services",
                             "Begin each with [[service]] and nothing else at the top.")  # fmt: skip
    headers = [text.count("\n", 0, match.start()) + 1 for match in _HEADER.finditer(text)]
    signatures = [signature for service in services for signature in _signatures(file, service)]
    # Where some are written another way, such as inline, no line is better than a wrong one.
    lines = headers if len(headers) == len(signatures) else [0] * len(signatures)
    for signature, line in zip(signatures, lines, strict=True):
        signature |= {"file": file, "line": line}
    for service in services:
        service["file"] = file
    return services


def _signatures(file: str, service: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = service.get("signature", [])
    if not isinstance(found, list) or not all(isinstance(s, dict) and isinstance(s.get("id"), str) for s in found):
        raise CatalogueError(file, f"service {service.get('id')!r}", "has a signature without an id",
                             "Begin each with [[service.signature]] and give it an id.")  # fmt: skip
    return found


def _unique(texts: Iterable[tuple[str, str]]) -> dict[str, dict[str, Any]]:
    """Return the entries of one folder by id; each id is there once."""
    entries: dict[str, dict[str, Any]] = {}
    for file, text in texts:
        for entry in _entries(file, text):
            key = entry.get("id")
            if not isinstance(key, str) or not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", key):
                raise CatalogueError(file, f"service {key!r}", "has no usable id",
                                     "Give it an id of small letters, digits and hyphens.")  # fmt: skip
            if key in entries:
                raise CatalogueError(file, f"service {key!r}", f"is there twice, also in {entries[key]['file']}",
                                     "Remove one of them.")  # fmt: skip
            entries[key] = entry
    return entries


def _laid_over(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    """Override keys of a service; signatures are added, or replaced where they have the same id."""
    signatures = {s["id"]: s for s in ours.get("signature", []) + theirs.get("signature", [])}
    return ours | theirs | {"signature": list(signatures.values())}


def _service(entry: dict[str, Any], countries: Sequence[str]) -> Service:
    file = entry.pop("file")
    where = f"service {entry['id']!r}"
    try:
        raw = msgspec.convert(entry, _RawService)
    except msgspec.ValidationError as error:
        raise CatalogueError(file, where, str(error), "Correct that key; docs/catalogue.md lists them all.") from error
    ids = [signature.id for signature in raw.signature]
    if not ids or len(set(ids)) < len(ids):
        raise CatalogueError(file, where, "has no signature, or one id twice", "Give each signature its own id.")
    if not raw.evidence.strip():
        raise CatalogueError(file, where, "has no evidence", "Say in a sentence where the rules come from.")
    gap = DEFAULT_GAPS.get(raw.context, STAND_ALONE_GAP)
    if raw.gap is not None:
        gap = parse_duration(raw.gap)
        if not 0 < gap <= LONGEST_GAP:
            raise CatalogueError(file, where, f"gap {raw.gap!r} is no duration of at most a day",
                                 'Write it like "10s" or "30m".')  # fmt: skip
    return Service(
        id=raw.id, name=raw.name, vendor=raw.vendor, context=raw.context, embedded=raw.embedded,
        gap=gap, evidence=raw.evidence, reviewed=raw.reviewed.isoformat(), aliases=tuple(raw.aliases),
        signatures=tuple(_signature(signature, where, countries) for signature in raw.signature),
    )  # fmt: skip


def parse_duration(text: str) -> float:
    """Return the seconds in "10s", "30m" or "2h"; 0 for anything else."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([smh])", text.strip())
    return float(match[1]) * _UNITS[match[2]] if match else 0.0


def _signature(raw: _RawSignature, service: str, countries: Sequence[str]) -> Signature:
    where = f"{service}, signature {raw.id!r} (line {raw.line})"
    if raw.path is not None and raw.path_regex is not None:
        raise CatalogueError(raw.file, where, "has path and path_regex", "Keep one of them.")
    path = raw.path_regex if raw.path is None else glob(raw.path)
    try:
        re.compile(path or "")
    except (re.error, OverflowError, RecursionError) as error:
        raise CatalogueError(raw.file, where, f"path_regex {error}", "Correct the expression.") from error
    for name, value in raw.query.items():
        if value is True:
            raise CatalogueError(raw.file, where, f"query {name} = true", 'Write "*", or false for "not there".')
    query = {name: glob(v) if isinstance(v, str) else None for name, v in raw.query.items()}
    return Signature(
        id=raw.id, level=raw.level, hosts=_hosts(raw, where, countries),
        methods=tuple(method.upper() for method in raw.methods), path=path, query=query,
        headers={name.lower(): glob(value) for name, value in raw.headers.items()},
        websocket=raw.websocket, response=_response(raw, where), file=raw.file, line=raw.line,
    )  # fmt: skip


def _hosts(raw: _RawSignature, where: str, countries: Sequence[str]) -> tuple[str, ...]:
    hosts: list[str] = []
    for written in raw.hosts:
        expanded = [written.replace("{country}", c) for c in countries] if "{country}" in written else [written]
        for host in expanded:
            name = host.removeprefix("*.")
            if normalise_host(name) != name or "." not in name:
                raise CatalogueError(raw.file, where, f"host {written!r} is not a normalised host name",
                                     'Write a bare lower-case name, or "*.name" for the names below it.')  # fmt: skip
            hosts.append(host)
    if not hosts:
        raise CatalogueError(raw.file, where, "names no host", "List at least one in hosts.")
    return tuple(dict.fromkeys(hosts))


def _response(raw: _RawSignature, where: str) -> Response | None:
    if raw.response is None:
        return None
    if raw.level is not Level.USE:
        raise CatalogueError(raw.file, where, "reads a response without being a use",
                             "Only a use may need to look that deep.")  # fmt: skip
    size = re.fullmatch(r"([1-9][0-9]{0,3})\s*(KiB|MiB)", raw.response.within)
    if not size or not raw.response.markers:
        raise CatalogueError(raw.file, where, "response needs markers and a limit",
                             'Write markers = ["class~=name"] and within = "2 MiB".')  # fmt: skip
    markers = tuple(parse_marker(text, raw.file, where) for text in raw.response.markers)
    return Response(raw.response.type.lower(), markers, int(size[1]) * _SIZES[size[2]])


def parse_marker(text: str, file: str = "marker", where: str = "marker") -> Marker:
    """Return the marker that `class~=token`, `id^=prefix`, `comment^=prefix` or `key=name` means."""
    match = _MARKER.fullmatch(text)
    allowed: Mapping[str, str] = {"comment": "^=", "key": "="}
    if not match or allowed.get(match[1].lower(), match[2]) != match[2] or not match[3].isascii():
        raise CatalogueError(file, where, f"marker {text!r} is none",
                             'Write "class~=token", "id^=prefix", "comment^=prefix" or "key=name".')  # fmt: skip
    if match[2] == "~=" and re.search(r"\s", match[3]):
        raise CatalogueError(file, where, f"marker {text!r} has a space in a token", "Use ^= or =.")
    return Marker(match[1].lower(), match[2], match[3])
