"""Files -> services. Reads the shipped catalogue and, over it, the administrator's folder.

Belongs here: which files there are, which entry counts, where each was written. Not here: what an
entry may say (schema), or matching. Every mistake is one `CatalogueError` of the schema.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import tomli

from bewust import schema
from bewust.model import Service
from bewust.schema import CatalogueError

DEFAULT_COUNTRIES = ("com", "nl", "be", "de", "fr")
FILE_LIMIT = 1 << 20  # bytes; the largest vendor file here is under 10 KiB

_HEADER = re.compile(r"^[ \t]*\[\[[ \t]*service[ \t]*\.[ \t]*signature[ \t]*\]\]", re.MULTILINE)


def load(overlay: Traversable | None = None, countries: Sequence[str] = DEFAULT_COUNTRIES) -> tuple[Service, ...]:
    """Return all services, sorted by id; `overlay` is laid over the shipped ones.

    `countries` replace `{country}` in host names. Raises CatalogueError on the first mistake.
    """
    entries = _unique(_read(files("bewust_config"), shipped=True))
    if overlay is not None:
        for key, entry in _unique(_read(overlay, shipped=False)).items():
            entries[key] = _laid_over(entries[key], entry) if key in entries else entry
    return tuple(schema.service(entries[key], countries) for key in sorted(entries))


def parse(text: str, file: str, countries: Sequence[str] = DEFAULT_COUNTRIES) -> tuple[Service, ...]:
    """Return the services of one file's text; `file` is the name used in errors and detections."""
    return tuple(schema.service(entry, countries) for entry in _unique([(file, text)]).values())


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
