"""Files -> services. Reads the shipped catalogue and, over it, the administrator's folder.

Belongs here: which files there are, which entry counts, where each was written. Not here: what an
entry may say (entries), or matching. Every mistake is one `CatalogueError` of the schema.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import tomli

from bewust.catalogue import entries as catalogue_entries
from bewust.catalogue.entries import CatalogueError
from bewust.model import Service

DEFAULT_COUNTRIES = ("com", "nl", "be", "de", "fr")
FILE_LIMIT = 1 << 20  # bytes; the largest vendor file here is under 10 KiB

_HEADER = re.compile(r"^[ \t]*\[\[[ \t]*service[ \t]*(\.[ \t]*signature[ \t]*)?\]\]", re.MULTILINE)
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")

type Entry = dict[str, Any]


def load(
    overlay: Traversable | None = None,
    countries: Sequence[str] = DEFAULT_COUNTRIES,
    base: Mapping[str, str] | None = None,
) -> tuple[Service, ...]:
    """Return all services, sorted by id; `overlay` is laid over the shipped ones, or over `base` instead of them.

    `countries` replace `{country}` in host names; `base` has texts by file name. Raises CatalogueError on
    the first mistake.
    """
    services, mistakes = load_with_mistakes(overlay, countries, base)
    if mistakes:
        raise mistakes[0]
    return services


def load_with_mistakes(
    overlay: Traversable | None = None,
    countries: Sequence[str] = DEFAULT_COUNTRIES,
    base: Mapping[str, str] | None = None,
) -> tuple[tuple[Service, ...], list[CatalogueError]]:
    """Return what can be read, sorted by id, and every mistake, for whoever mends them all at once."""
    mistakes: list[CatalogueError] = []
    ours = _read(files("bewust_config"), mistakes, shipped=True) if base is None else base.items()
    entries = _unique(ours, mistakes)
    if overlay is not None:
        for key, entry in _unique(_read(overlay, mistakes, shipped=False), mistakes).items():
            entries[key] = _merged(entries[key], entry) if key in entries else entry
    services = []
    for key in sorted(entries):
        try:
            services.append(catalogue_entries.build_service(entries[key], countries))
        except CatalogueError as mistake:
            mistakes.append(mistake)
    return tuple(services), mistakes


def texts_of(folder: Traversable) -> dict[str, str]:
    """Return the texts of a folder's `services` by file name: a whole catalogue. Raises CatalogueError."""
    mistakes: list[CatalogueError] = []
    found = dict(_read(folder, mistakes, shipped=True))
    if mistakes:
        raise mistakes[0]
    return found


def parse(text: str, file: str, countries: Sequence[str] = DEFAULT_COUNTRIES) -> tuple[Service, ...]:
    """Return the services of one file's text; `file` is the name used in errors and detections."""
    mistakes: list[CatalogueError] = []
    entries = _unique([(file, text)], mistakes)
    if mistakes:
        raise mistakes[0]
    return tuple(catalogue_entries.build_service(entry, countries) for entry in entries.values())


def _read(folder: Traversable, mistakes: list[CatalogueError], *, shipped: bool) -> Iterator[tuple[str, str]]:
    """Yield name and text of each file; the administrator's have their path as name."""
    services = folder.joinpath("services")
    try:
        found = sorted(services.iterdir(), key=lambda item: item.name) if services.is_dir() else []
    except OSError as error:
        mistakes.append(
            CatalogueError(str(services), "folder", f"cannot be read ({error.strerror})", "Check its owner and mode.")
        )
        return
    for file in found:
        if not file.name.endswith(".toml"):
            continue
        name = file.name if shipped else str(file)
        try:
            yield name, _text(file, name)
        except CatalogueError as mistake:
            mistakes.append(mistake)


def _text(file: Traversable, name: str) -> str:
    try:
        if not file.is_file():  # a pipe would be waited for
            raise CatalogueError(name, "file", "is no ordinary file", "Put one there, not a folder, pipe or device.")
        data = file.read_bytes()
    except OSError as error:
        raise CatalogueError(name, "file", f"cannot be read ({error.strerror})", "Check its owner and mode.") from error
    if len(data) > FILE_LIMIT:
        raise CatalogueError(name, "file", "is larger than 1 MiB", "Split it by vendor.")
    try:
        return data.decode("utf-8-sig")  # Notepad writes a mark
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise CatalogueError(name, f"byte {error.start}", "is not UTF-8", "Save the file as UTF-8.", line) from error


def _entries(file: str, text: str) -> list[Entry]:
    try:
        table = tomli.loads(text)
    except (ValueError, RecursionError) as error:  # a bare ValueError for a number of 4300 digits
        raise CatalogueError(file, "file", f"is not TOML ({error})", "Mend the line it names; https://toml.io "
                             "shows the syntax.", getattr(error, "lineno", 0)) from error  # fmt: skip
    services = table.pop("service", [])
    if table or not isinstance(services, list) or not all(isinstance(s, dict) for s in services):
        raise CatalogueError(file, ", ".join(table) or "service", "is not a list of services",
                             "Begin each with [[service]] and nothing else at the top.", 1)  # fmt: skip
    signatures = [signature for service in services for signature in _signatures(file, service)]
    headers = [(text.count("\n", 0, match.start()) + 1, match[1]) for match in _HEADER.finditer(text)]
    _place(services, [line for line, of_signature in headers if not of_signature])
    _place(signatures, [line for line, of_signature in headers if of_signature])
    for entry in (*services, *signatures):
        entry["file"] = file
    return services


def _place(entries: Sequence[Entry], lines: Sequence[int]) -> None:
    """Note each entry's line; where some are written another way, no line is better than a wrong one."""
    for entry, line in zip(entries, lines if len(lines) == len(entries) else [0] * len(entries), strict=True):
        entry["line"] = line


def _signatures(file: str, service: Mapping[str, Any]) -> list[Entry]:
    found = service.get("signature", [])
    if not isinstance(found, list) or not all(isinstance(s, dict) and isinstance(s.get("id"), str) for s in found):
        raise CatalogueError(file, f"service {service.get('id')!r}", "has a signature without an id",
                             "Begin each with [[service.signature]] and give it an id.")  # fmt: skip
    return found


def _unique(texts: Iterable[tuple[str, str]], mistakes: list[CatalogueError]) -> dict[str, Entry]:
    """Return the entries of one folder by id; each id is there once."""
    entries: dict[str, Entry] = {}
    for file, text in texts:
        try:
            found = _entries(file, text)
        except CatalogueError as mistake:
            mistakes.append(mistake)
            continue
        for entry in found:
            key, line = entry.get("id"), entry["line"]
            if not isinstance(key, str) or not _ID.fullmatch(key):
                mistakes.append(
                    CatalogueError(
                        file, f"service {key!r}", "has no usable id", "Write small letters, digits and hyphens.", line
                    )
                )
            elif key in entries:
                mistakes.append(CatalogueError(file, f"service {key!r}", f"is there twice, also in "
                                               f"{entries[key]['file']}", "Remove one of them.", line))  # fmt: skip
            else:
                entries[key] = entry
    return entries


def _merged(ours: Entry, theirs: Entry) -> Entry:
    """Override keys of a service; signatures are added, or replaced where they have the same id."""
    signatures = {s["id"]: s for s in ours.get("signature", []) + theirs.get("signature", [])}
    return ours | theirs | {"signature": list(signatures.values())}
