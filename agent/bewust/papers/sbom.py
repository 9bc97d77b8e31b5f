"""What is installed with Bewust, as a bill of materials: CycloneDX 1.6 (https://cyclonedx.org/docs/1.6/json/).

Belongs here: the packages that Bewust requires on this machine, and theirs, as far as they are really there, and
what others made that lies in its own folder. It holds no time and no random number: the same installation is the
same file.
"""

import base64
import csv
import json
import platform
import re
import sys
from collections.abc import Collection, Iterable, Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bewust.errors import BewustError

ROOT = "bewust"
# A row of what is vendored: | `@scope/name` | version | licence | `sha512-base64` |
_VENDORED = re.compile(r"^\| `(@[^`]+)` \| (\S+) \| (\S+) \| `sha512-([^`]+)` \|$", re.MULTILINE)
_HASHES = {"md5": "MD5", "sha1": "SHA-1", "sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512"}


class SbomError(BewustError, RuntimeError):
    """The installation is not whole: names what is missing and what to do."""


def sbom() -> dict[str, Any]:
    """Return the bill of materials as the JSON object it is written as. Raises SbomError."""
    found, needs = _installed()
    vendored = files("bewust.page").joinpath("static", "VENDORED.md").read_text(encoding="utf-8")
    # What is required depends on both.
    return document(found, needs, {"python": platform.python_version(), "platform": sys.platform}, vendored)


def document(
    found: Mapping[str, Distribution],
    needs: Mapping[str, Collection[str]],
    properties: Mapping[str, str],
    vendored_list: str,
    more: Iterable[dict[str, Any]] = (),
) -> dict[str, Any]:
    """Return the object for the distributions `found`, Bewust among them, what each needs, and `more` components."""
    refs = {name: f"{name}@{part.version}" for name, part in found.items()}
    root = found[ROOT]
    ours = [*map(_npm, _VENDORED.finditer(vendored_list)), *more]
    whole = {**needs, ROOT: {*needs[ROOT], *(part["bom-ref"] for part in ours)}}
    about = {"type": "application", "bom-ref": refs[ROOT], "name": ROOT, "version": root.version, **_licence(root)}
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": about,
            "properties": [{"name": f"bewust:{name}", "value": value} for name, value in properties.items()],
        },
        "components": [*(_package(name, part) for name, part in sorted(found.items()) if name != ROOT), *ours],
        "dependencies": [
            {"ref": refs[name], "dependsOn": sorted(refs.get(other, other) for other in others)}
            for name, others in sorted(whole.items())
        ],
    }


def is_there(part: Distribution) -> bool:
    """Whether anything of a distribution but its papers is on the disk: our packages leave out what is never used."""
    rows = csv.reader((part.read_text("RECORD") or "").splitlines())
    listed = [name for name, *_ in rows if ".dist-info/" not in name and "/bin/" not in name]
    return not listed or any(Path(str(part.locate_file(name))).exists() for name in listed)


def _installed() -> tuple[dict[str, Distribution], dict[str, set[str]]]:
    """Return every distribution that Bewust needs, itself among them, by name; and what each needs."""
    found: dict[str, Distribution] = {}
    needs: dict[str, set[str]] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    todo: list[tuple[str, frozenset[str], str]] = [(ROOT, frozenset(), ROOT)]
    while todo:
        name, extras, asked_by = todo.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            part = distribution(name)
        except PackageNotFoundError as error:
            raise SbomError(f"{name} is not installed, and {asked_by} requires it. Install Bewust anew.") from error
        if not is_there(part):
            continue
        found[name] = part
        required = list(_required(found[name].requires or (), extras))
        needs.setdefault(name, set()).update(each for each, _ in required)
        todo += [(each, wanted, name) for each, wanted in required]
    return found, {name: others & set(found) for name, others in needs.items()}


def _required(texts: Iterable[str], extras: frozenset[str]) -> Iterable[tuple[str, frozenset[str]]]:
    """Yield the names that hold on this machine, with the extras that are asked of each."""
    for requirement in map(Requirement, texts):
        marker = requirement.marker  # without an environment of ours it is evaluated for this machine
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras or {""}):
            yield canonicalize_name(requirement.name), frozenset(requirement.extras)


def _package(name: str, part: Distribution) -> dict[str, Any]:
    purl = f"pkg:pypi/{name}@{quote(part.version)}"
    return {"type": "library", "bom-ref": f"{name}@{part.version}", "name": name, "version": part.version,
            **_hashes(part), **_licence(part), "purl": purl}  # fmt: skip


def _hashes(part: Distribution) -> Mapping[str, Any]:
    """Return the hashes of the archive it came from; an installer notes them only where it was given the file."""
    origin = json.loads(part.read_text("direct_url.json") or "{}")
    noted = origin.get("archive_info", {}).get("hashes", {})
    hashes = [{"alg": _HASHES[alg], "content": value} for alg, value in sorted(noted.items()) if alg in _HASHES]
    return {"hashes": hashes} if hashes else {}


def _licence(part: Distribution) -> Mapping[str, Any]:
    """Return the licence as the package states it: an SPDX expression where it has one, else its own words."""
    expression = part.metadata.get("License-Expression")
    if expression:
        return {"licenses": [{"expression": expression}]}
    classified = [
        text.rpartition(" :: ")[2]
        for text in part.metadata.get_all("Classifier") or ()
        if text.startswith("License :: ")
    ]
    written = part.metadata.get("License") or ""
    names = classified or ([written] if written and "\n" not in written else [])
    return {"licenses": [{"license": {"name": name}} for name in names]} if names else {}


def _npm(row: re.Match[str]) -> dict[str, Any]:
    name, version, licence, integrity = row.groups()
    return {"type": "library", "bom-ref": f"{name}@{version}", "name": name, "version": version,
            "hashes": [{"alg": "SHA-512", "content": base64.b64decode(integrity).hex()}],
            "licenses": [{"expression": licence}],
            "purl": f"pkg:npm/{quote(name)}@{quote(version)}"}  # fmt: skip
