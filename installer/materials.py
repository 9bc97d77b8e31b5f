"""The bill of materials of one package: what is in its tree, whoever asked for it. CycloneDX 1.6, beside the package.

Belongs here: looking at a staged tree. Not here: what an installation requires (bewust.papers.sbom), whose form this
has. It holds no time and no random number.
"""

import hashlib
import json
from collections.abc import Iterable
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bewust.papers import sbom
from installer import payload


def write(site: Path, target: Path, platform: str, libraries: Iterable[Path] = (), python: str = "") -> Path:
    """Write what is in a folder of packages, with an interpreter of version `python` and its libraries where given.

    The file is named after the package `target`. Returns its path.
    """
    path = target.with_name(f"{target.name}.cdx.json")
    made = bill(site, platform, sorted(libraries), python)
    path.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def bill(site: Path, platform: str, libraries: Iterable[Path] = (), python: str = "") -> dict[str, Any]:
    """Return the bill of materials of a staged tree."""
    listed: dict[str, Distribution] = {canonicalize_name(part.name): part for part in distributions(path=[str(site)])}
    found = {name: part for name, part in sorted(listed.items()) if sbom.is_there(part)}
    needs = {
        name: {str(canonicalize_name(Requirement(text).name)) for text in part.requires or ()} & set(found)
        for name, part in found.items()
    }
    more = [_interpreter(python)] if python else []
    more += [_library(path) for path in libraries]
    properties = {"python": python or payload.PYTHON, "platform": platform}
    return sbom.document(found, needs, properties, (site / "bewust/page/static/VENDORED.md").read_text("utf-8"), more)


def _interpreter(version: str) -> dict[str, Any]:
    return {"type": "library", "bom-ref": f"cpython@{version}", "name": "cpython", "version": version,
            "licenses": [{"expression": "PSF-2.0"}], "purl": f"pkg:generic/cpython@{version}"}  # fmt: skip


def _library(path: Path) -> dict[str, Any]:
    """A shared library of the build machine's system, that the interpreter needs: of what version, its hash tells."""
    content = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"type": "file", "bom-ref": f"file:{path.name}", "name": path.name,
            "hashes": [{"alg": "SHA-256", "content": content}]}  # fmt: skip
