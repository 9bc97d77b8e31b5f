"""The bill of materials of a package: what is in the tree and nothing else, whatever the tree was made from."""

import json
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from installer import materials, payload

VENDORED = "| `@scope/thing` | 1.0.0 | EUPL-1.2 | `sha512-" + "A" * 86 + "==` |\n"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """What `payload.install` would leave: one distribution kept, one cut down, one left out."""
    folder = tmp_path / "site-packages"
    listed = folder / "bewust" / "page" / "static" / "VENDORED.md"
    listed.parent.mkdir(parents=True)
    listed.write_text(VENDORED)
    installed(folder, "bewust", ["Kept>=1", "pip>=1", "elsewhere; sys_platform == 'plan9'"], "bewust/daemon/app.py")
    installed(folder, "kept", ["urwid"], "kept/__init__.py")
    installed(folder, "mitmproxy", [], "mitmproxy/tools/web/app.py", "mitmproxy/proxy/server.py")
    installed(folder, "pip", [], "pip/__init__.py", "../../bin/pip")
    installed(folder, "urwid", [], "urwid/__init__.py")
    payload.prune(folder)
    return folder


def installed(folder: Path, name: str, requires: list[str], *files: str) -> None:
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    asked = "".join(f"Requires-Dist: {text}\n" for text in requires)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{asked}")
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in [*files, f"{info.name}/METADATA"]))
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text("x")


def test_what_was_left_out_is_not_listed_and_what_was_cut_down_is(site: Path) -> None:
    made = materials.bill(site, "linux")
    named = {part["name"] for part in made["components"]}
    assert named == {"kept", "mitmproxy", "@scope/thing"}
    needs = {entry["ref"]: entry["dependsOn"] for entry in made["dependencies"]}
    assert needs == {
        "bewust@1.0": ["@scope/thing@1.0.0", "kept@1.0"], "kept@1.0": [], "mitmproxy@1.0": [],
    }  # fmt: skip


def test_the_interpreter_and_its_libraries_are_listed_with_hashes(site: Path, tmp_path: Path) -> None:
    library = tmp_path / "libssl.so.3"
    library.write_bytes(b"elf")
    parts = {part["name"]: part for part in materials.bill(site, "linux", [library], "3.13.1")["components"]}
    assert parts["cpython"]["purl"] == "pkg:generic/cpython@3.13.1"
    assert len(parts["libssl.so.3"]["hashes"][0]["content"]) == 64


def test_it_lies_beside_the_package_valid_and_the_same_each_time(site: Path, tmp_path: Path) -> None:
    first = materials.write(site, tmp_path / "bewust_1_amd64.deb", "linux", python="3.13.1")
    text = first.read_text()
    assert first.name == "bewust_1_amd64.deb.cdx.json"
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert materials.write(site, tmp_path / "bewust_1_amd64.deb", "linux", python="3.13.1").read_text() == text
    assert json.loads(text)["metadata"]["component"]["version"] == "1.0"
