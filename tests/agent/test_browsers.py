"""A browser of its own that trusts one root and asks the PAC; what is missing is named."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from bewust import browsers
from bewust.browsers import BrowserError
from bewust.settings import Settings, load_rules, prepare

PAC = "http://127.0.0.1:8787/proxy.pac"
needs_certutil = pytest.mark.skipif(shutil.which("certutil") is None, reason="certutil (libnss3-tools) is missing")


@pytest.fixture(scope="module")
def root_pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(Settings(state=tmp_path_factory.mktemp("state")), load_rules(None)).root_pem


def program(folder: Path, name: str, code: int = 0) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\necho first >&2; echo second >&2; exit {code}\n")
    file.chmod(0o755)
    return file


# Which browser.


@pytest.mark.parametrize(
    ("there", "wanted", "expected"),
    [
        pytest.param(["firefox", "chromium"], None, "chromium", id="Chromium before Firefox"),
        pytest.param(["firefox", "microsoft-edge"], None, "microsoft-edge", id="any Chromium"),
        pytest.param(["firefox", "firefox-esr"], None, "firefox-esr", id="the long-lived Firefox first"),
        pytest.param(["firefox", "chromium"], "firefox", "firefox", id="the one that was named"),
        pytest.param(["my-browser"], "my-browser", "my-browser", id="one that nobody knows"),
    ],
)
def test_the_browser_named_or_the_first_known_one_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: list[str], wanted: str | None, expected: str
) -> None:
    for name in there:
        program(tmp_path, name)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert browsers.find(wanted) == tmp_path / expected


def test_a_browser_may_be_named_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = program(tmp_path / "elsewhere", "thorium")
    monkeypatch.setenv("PATH", "")
    assert browsers.find(str(file)) == file


@pytest.mark.parametrize(
    ("wanted", "names"), [(None, "Chromium or Firefox was not found"), ("netscape", "netscape was not found")]
)
def test_without_a_browser_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch, wanted: str | None, names: str) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BrowserError, match=f"{names}.*--browser"):
        browsers.find(wanted)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/usr/bin/firefox-esr", True),
        ("/Applications/Firefox.app/Contents/MacOS/Firefox", True),
        ("/usr/bin/chromium", False),
        ("/home/firefox/bin/chromium", False),
    ],
)
def test_the_kind_of_a_browser_is_in_its_own_name(path: str, expected: bool) -> None:
    assert browsers.is_firefox(Path(path)) is expected


# The command line.


@needs_certutil
def test_chromium_gets_a_home_a_profile_and_the_pac_of_its_own(
    tmp_path: Path, root_pem: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "/home/somebody/.config")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1000")
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.delenv("XAUTHORITY", raising=False)
    profile = tmp_path / "new" / "profile"
    line, environment = browsers.command(
        Path("/usr/bin/chromium"), profile, pac_url=PAC, root_pem=root_pem, url="https://x.nl/", extra=["--headless"]
    )
    assert line[0] == "/usr/bin/chromium"
    assert line[-2:] == ["--headless", "https://x.nl/"]
    assert {f"--proxy-pac-url={PAC}", f"--user-data-dir={profile / 'profile'}", "--disable-quic"} < set(line)
    assert ("--no-sandbox" in line) is (os.geteuid() == 0)
    assert environment["HOME"] == str(profile)
    assert "XDG_CONFIG_HOME" not in environment
    assert environment["XDG_RUNTIME_DIR"] == "/run/user/1000"  # the sound and the display are there
    assert environment["XAUTHORITY"] == "/home/somebody/.Xauthority"
    assert trusted(profile / ".pki" / "nssdb") == {"root": "C,,"}
    assert os.environ["HOME"] == "/home/somebody"


@needs_certutil
def test_firefox_gets_its_settings_and_trust_in_the_profile(tmp_path: Path, root_pem: Path) -> None:
    line, environment = browsers.command(Path("/usr/bin/firefox-esr"), tmp_path, pac_url=PAC, root_pem=root_pem)
    assert line == ["/usr/bin/firefox-esr", "--no-remote", "--profile", str(tmp_path)]
    assert environment == dict(os.environ)
    preferences = (tmp_path / "user.js").read_text().splitlines()
    assert 'user_pref("network.proxy.type", 2);' in preferences
    assert f'user_pref("network.proxy.autoconfig_url", "{PAC}");' in preferences
    assert all(line.startswith('user_pref("') and line.endswith(");") for line in preferences)
    assert trusted(tmp_path) == {"root": "C,,"}


@needs_certutil
def test_a_page_is_opened_only_where_one_was_named(tmp_path: Path, root_pem: Path) -> None:
    line, _ = browsers.command(Path("chromium"), tmp_path, pac_url=PAC, root_pem=root_pem)
    assert all(argument.startswith("--") for argument in line[1:])


# Trust.


def trusted(database: Path) -> dict[str, str]:
    out = subprocess.run(["certutil", "-L", "-d", f"sql:{database}"], capture_output=True, text=True, check=True)
    rows = [line.rsplit(maxsplit=1) for line in out.stdout.splitlines() if "," in line and "SSL" not in line]
    return {name.strip(): flags for name, flags in rows}


@needs_certutil
def test_trusting_twice_is_trusting_once(tmp_path: Path, root_pem: Path) -> None:
    browsers.trust(tmp_path / "db", root_pem)
    browsers.trust(tmp_path / "db", root_pem)
    assert trusted(tmp_path / "db") == {"root": "C,,"}


def test_without_certutil_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BrowserError, match=r"certutil was not found.*apt install libnss3-tools"):
        browsers.trust(tmp_path, tmp_path / "root.pem")


@pytest.mark.skipif(os.name != "posix", reason="the stand-in is a shell script")
def test_what_certutil_complains_of_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "bin", "certutil", code=255)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin:/usr/bin")
    with pytest.raises(BrowserError, match=r"certutil cannot write it \(first second\)\. Is the disk full\?$"):
        browsers.trust(tmp_path / "db", tmp_path / "root.pem")


def test_a_profile_is_emptied_and_stays_a_folder(tmp_path: Path) -> None:
    (tmp_path / "profile" / "cache").mkdir(parents=True)
    (tmp_path / "profile" / "cache" / "data").write_text("x")
    browsers.settle(tmp_path / "profile")
    assert list((tmp_path / "profile").iterdir()) == []
