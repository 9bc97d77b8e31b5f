"""The bill of materials is valid CycloneDX, whole, of this machine only, and the same at every run."""

import json
import re
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest
import tomli
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from bewust.papers import sbom
from bewust.papers.sbom import SbomError

MADE = sbom.sbom()
BY_NAME = {part["name"]: part for part in MADE["components"]}
PROJECT = tomli.loads((Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_it_is_valid_by_the_official_schema() -> None:
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(json.dumps(MADE)) is None
    assert validator.validate_str(json.dumps({**MADE, "version": "one"})) is not None  # the validator does look


def test_it_names_what_this_project_asks_for_and_what_that_asks_for() -> None:
    asked = {re.split(r"[ <>=;\[]", text)[0] for text in PROJECT["dependencies"] if ";" not in text}
    assert asked <= set(BY_NAME)
    assert ("jeepney" in BY_NAME) is (sys.platform == "linux")
    assert {"markupsafe", "h11", "cffi"} <= set(BY_NAME)  # of jinja2, of uvicorn, of cryptography
    assert BY_NAME["jinja2"]["purl"] == f"pkg:pypi/jinja2@{distribution('jinja2').version}"
    assert BY_NAME["msgspec"]["licenses"] == [{"expression": "BSD-3-Clause"}]
    assert BY_NAME["jinja2"]["licenses"] == [{"license": {"name": "BSD License"}}]


def test_what_no_workstation_has_is_not_in_it() -> None:
    assert not {"pytest", "altair", "opendp", "ibis-framework", "ruff"} & set(BY_NAME)


def test_each_component_is_needed_by_something_and_each_need_is_a_component() -> None:
    refs = {part["bom-ref"] for part in MADE["components"]}
    needed = {ref for entry in MADE["dependencies"] for ref in entry["dependsOn"]}
    assert needed == refs
    assert len(refs) == len(MADE["components"])


def test_what_others_made_in_our_own_folder_is_in_it_with_its_hash() -> None:
    vendored = [part for part in MADE["components"] if part["purl"].startswith("pkg:npm/%40")]
    assert len(vendored) >= 20
    assert all(len(part["hashes"][0]["content"]) == 128 for part in vendored)


def test_another_process_makes_the_same_bytes_without_a_time_in_them() -> None:
    code = "import json; from bewust.papers.sbom import sbom; print(json.dumps(sbom()))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert other == json.dumps(MADE) + "\n"
    assert "serialNumber" not in MADE
    assert "timestamp" not in MADE["metadata"]


def test_an_archive_that_an_installer_noted_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noted = {"url": "file:///x.whl", "archive_info": {"hashes": {"sha256": "ab" * 32, "unknown": "x"}}}
    installed(tmp_path, "bewust", "Requires-Dist: thing[more]>=1", noted)
    extras = ["other; extra == 'more'", "never; sys_platform == 'plan9'", "unwanted; extra == 'less'"]
    asks = "".join(f"\nRequires-Dist: {text}" for text in extras)
    installed(tmp_path, "thing", f"Provides-Extra: more{asks}", noted)
    installed(tmp_path, "other", "License: A licence of\n its own", noted)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    parts = [part for part in sbom.sbom()["components"] if part["purl"].startswith("pkg:pypi")]
    assert [part["name"] for part in parts] == ["other", "thing"]
    assert parts[1]["hashes"] == [{"alg": "SHA-256", "content": "ab" * 32}]
    assert "licenses" not in parts[0]  # a whole text is no name


def test_what_a_package_left_out_is_not_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(tmp_path, "bewust", "Requires-Dist: pip\nRequires-Dist: kept", {})
    for name in ("pip", "kept"):
        installed(tmp_path, name, "Requires-Dist: gone", {}) if name == "pip" else installed(tmp_path, name, "", {})
        record = f"{name}/__init__.py,,\n{name}-1.0.dist-info/METADATA,,\n"
        (tmp_path / f"{name}-1.0.dist-info" / "RECORD").write_text(record)
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "__init__.py").write_text("")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    made = sbom.sbom()
    assert "pip" not in {part["name"] for part in made["components"]}
    assert all("pip@1.0" not in entry["dependsOn"] for entry in made["dependencies"])
    assert "kept" in {part["name"] for part in made["components"]}


def installed(folder: Path, name: str, about: str, origin: object) -> None:
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{about}\n")
    (info / "direct_url.json").write_text(json.dumps(origin))


def test_an_installation_that_is_not_whole_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(tmp_path, "bewust", "Requires-Dist: gone>=1", {})
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(SbomError, match=r"^gone is not installed, and bewust requires it\. Install Bewust anew\.$"):
        sbom.sbom()
