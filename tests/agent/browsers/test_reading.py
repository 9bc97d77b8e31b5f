"""What browsers are told is read as they read it, on each platform."""

import plistlib
from collections.abc import Mapping
from pathlib import Path

import pytest

from bewust.browsers import reading
from bewust.browsers.reading import EffectivePolicy
from support.linux_machine import machine, put
from support.windows_registry import Hive

CHROMIUM = "etc/chromium/policies/managed"
URL = "http://127.0.0.1:8787/proxy.pac"


def linux(root: Path) -> list[EffectivePolicy]:
    return reading.effective_policies(root, "linux")


def test_of_two_files_the_last_counts_and_lists_are_laid_together_where_asked(tmp_path: Path) -> None:
    root = machine(tmp_path, "usr/bin/chromium")
    put(root / CHROMIUM / "a.json", {"CACertificates": ["a"], "ProxyMode": "direct", "X": ["a"]})
    theirs = {"CACertificates": ["b"], "ProxyMode": "system", "X": ["b"]}
    last = put(root / CHROMIUM / "b.json", theirs | {"PolicyListMultipleSourceMergeList": ["CACertificates"]})
    (found,) = linux(root)
    assert found.policies["CACertificates"] == ["a", "b"]
    assert (found.policies["ProxyMode"], found.policies["X"]) == ("system", ["b"])
    assert found.origin["ProxyMode"] == str(last)


def test_firefox_reads_the_older_file_only_where_there_is_no_newer(tmp_path: Path) -> None:
    root = machine(tmp_path, "usr/bin/firefox")
    put(root / "usr/lib/firefox/distribution/policies.json", {"policies": {"A": 1}})
    assert linux(root)[0].policies == {"A": 1}
    put(root / "etc/firefox/policies/policies.json", {"policies": {"B": 1}})
    assert linux(root)[0].policies == {"B": 1}


def test_no_browser_and_no_policy(tmp_path: Path) -> None:
    assert linux(machine(tmp_path)) == []
    machine(tmp_path, "usr/bin/chromium", "usr/bin/firefox")
    assert [(found.browser, dict(found.policies)) for found in linux(tmp_path)] == [("Chromium", {}), ("Firefox", {})]


@pytest.mark.parametrize("text", ["{", "[]", '{"policies": []}'])
def test_a_file_that_is_no_policy_is_named(tmp_path: Path, text: str) -> None:
    file = machine(tmp_path, "usr/bin/firefox") / "etc/firefox/policies/policies.json"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    assert str(file) in linux(tmp_path)[0].wrong


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    file = machine(tmp_path, "usr/bin/chromium") / CHROMIUM / "x.json"
    file.mkdir(parents=True)  # a folder in a file's place: no reader gets through it, root neither
    assert "cannot be read" in linux(tmp_path)[0].wrong


def registry(table: Mapping[str, Mapping[str, str | int]]) -> Hive:
    """A registry with these keys and their values."""
    made = Hive()
    for key, values in table.items():
        made.held.setdefault(key, {})
        for name, data in values.items():
            made.put(key, name, data)
    return made


def test_the_registry_is_read_as_policies() -> None:
    chrome, firefox = r"SOFTWARE\Policies\Google\Chrome", r"SOFTWARE\Policies\Mozilla\Firefox"
    held = registry({
        reading.APP_PATHS: {}, rf"{reading.APP_PATHS}\Chrome.exe": {}, rf"{reading.APP_PATHS}\firefox.exe": {},
        chrome: {"ProxySettings": f'{{"ProxyMode": "pac_script", "ProxyPacUrl": "{URL}"}}', "X": "{no json", "N": 1},
        rf"{chrome}\CACertificates": {"2": "b", "1": "a", "10": "c"},
        rf"{firefox}\Proxy": {"Mode": "autoConfig", "AutoConfigURL": URL, "Locked": 1},
        rf"{firefox}\Certificates": {"ImportEnterpriseRoots": 1},
    })  # fmt: skip
    found = {one.browser: one for one in reading.effective_policies(Path("/"), "win32", held)}
    assert list(found) == ["Google Chrome", "Firefox"]
    assert found["Google Chrome"].policies == {
        "ProxySettings": {"ProxyMode": "pac_script", "ProxyPacUrl": URL}, "X": "{no json", "N": 1,
        "CACertificates": ["a", "b", "c"],
    }  # fmt: skip
    assert found["Firefox"].policies["Proxy"] == {"Mode": "autoConfig", "AutoConfigURL": URL, "Locked": True}
    assert found["Firefox"].origin["Proxy"] == rf"HKLM\{firefox}\Proxy"


def test_managed_preferences_are_read_as_policies(tmp_path: Path) -> None:
    for name in ("Google Chrome", "Firefox", "Microsoft Edge"):
        (tmp_path / f"Applications/{name}.app").mkdir(parents=True)
    managed = tmp_path / reading.MANAGED
    managed.mkdir(parents=True)
    (managed / "com.google.Chrome.plist").write_bytes(plistlib.dumps({"ProxyMode": "direct"}))
    (managed / "org.mozilla.firefox.plist").write_bytes(
        plistlib.dumps({"Proxy__Mode": "autoConfig", "Certificates": {"ImportEnterpriseRoots": True}})
    )
    (managed / "com.microsoft.Edge.plist").write_bytes(b"no list")
    found = {one.browser: one for one in reading.effective_policies(tmp_path, "darwin")}
    assert found["Google Chrome"].policies == {"ProxyMode": "direct"}
    assert found["Firefox"].policies["Proxy"] == {"Mode": "autoConfig"}
    assert found["Firefox"].policies["Certificates"] == {"ImportEnterpriseRoots": True}
    assert "no property list" in found["Microsoft Edge"].wrong
    (managed / "com.google.Chrome.plist").write_bytes(plistlib.dumps(["x"]))
    assert "no dictionary" in reading.effective_policies(tmp_path, "darwin")[0].wrong
    (managed / "com.google.Chrome.plist").unlink()
    assert reading.effective_policies(tmp_path, "darwin")[0].policies == {}
