"""A browser of its own that trusts one root and asks the PAC; what is missing is named."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bewust.browsers import launch
from bewust.browsers.launch import BrowserError
from bewust.config.rules import load_rules
from bewust.daemon.state import Settings, install_state

PAC = "http://127.0.0.1:8787/proxy.pac"
needs_locks = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no lock of a folder")
needs_certutil = pytest.mark.skipif(shutil.which("certutil") is None, reason="certutil (libnss3-tools) is missing")


@pytest.fixture(scope="module")
def root_pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install_state(Settings(state=tmp_path_factory.mktemp("state")), load_rules(None)).root_pem


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
    assert launch.find(wanted) == tmp_path / expected


def test_a_browser_may_be_named_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = program(tmp_path / "elsewhere", "thorium")
    monkeypatch.setenv("PATH", "")
    assert launch.find(str(file)) == file


@pytest.mark.parametrize(
    ("wanted", "names"), [(None, "Chromium or Firefox was not found"), ("netscape", "netscape was not found")]
)
def test_without_a_browser_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch, wanted: str | None, names: str) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BrowserError, match=f"{names}.*--browser"):
        launch.find(wanted)


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
    assert launch.is_firefox(Path(path)) is expected


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
    line, environment = launch.command(
        Path("/usr/bin/chromium"), profile, pac_url=PAC, root_pem=root_pem, url="https://x.nl/", extra=["--headless"]
    )
    assert line[0] == "/usr/bin/chromium"
    assert line[-1] == "--headless" and not any("x.nl" in argument for argument in line)
    opened = json.loads((profile / "profile" / "Default" / "Preferences").read_text())["session"]
    assert opened == {"restore_on_startup": 4, "startup_urls": ["https://x.nl/"]}
    assert {f"--proxy-pac-url={PAC}", f"--user-data-dir={profile / 'profile'}", "--disable-quic"} < set(line)
    assert ("--no-sandbox" in line) is (os.geteuid() == 0)
    assert environment["HOME"] == str(profile)
    assert "XDG_CONFIG_HOME" not in environment
    assert environment["XDG_RUNTIME_DIR"] == "/run/user/1000"  # the sound and the display are there
    assert environment["XAUTHORITY"] == "/home/somebody/.Xauthority"
    assert trusted(profile / ".pki" / "nssdb") == {"root": "C,,"}
    assert os.environ["HOME"] == "/home/somebody"


@needs_certutil
def test_firefox_gets_its_settings_and_trust_in_the_profile(
    tmp_path: Path, root_pem: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    line, environment = launch.command(Path("/usr/bin/firefox-esr"), tmp_path, pac_url=PAC, root_pem=root_pem)
    assert line == ["/usr/bin/firefox-esr", "--no-remote", "--profile", str(tmp_path)]
    assert environment.items() <= os.environ.items() and {"PATH", "HOME"} <= environment.keys()
    assert "SSLKEYLOGFILE" not in environment
    preferences = (tmp_path / "user.js").read_text().splitlines()
    assert 'user_pref("network.proxy.type", 2);' in preferences
    assert f'user_pref("network.proxy.autoconfig_url", "{PAC}");' in preferences
    assert all(line.startswith('user_pref("') and line.endswith(");") for line in preferences)
    assert trusted(tmp_path) == {"root": "C,,"}


@needs_certutil
def test_firefox_is_told_of_the_page_in_its_settings(tmp_path: Path, root_pem: Path) -> None:
    url = 'https://x.nl/?a="b"|c'
    line, _ = launch.command(Path("firefox"), tmp_path, pac_url=PAC, root_pem=root_pem, url=url)
    assert not any("x.nl" in argument for argument in line)
    preferences = (tmp_path / "user.js").read_text().splitlines()
    assert r'user_pref("browser.startup.homepage", "https://x.nl/?a=\"b\"%7Cc");' in preferences


@needs_certutil
@pytest.mark.parametrize("browser", ["chromium", "firefox"])
def test_a_page_is_opened_only_where_one_was_named(tmp_path: Path, root_pem: Path, browser: str) -> None:
    launch.command(Path(browser), tmp_path, pac_url=PAC, root_pem=root_pem)
    written = "".join(path.read_text("latin-1") for path in tmp_path.rglob("*") if path.is_file())
    assert "startup_urls" not in written and 'startup.homepage"' not in written


# Trust.


def trusted(database: Path) -> dict[str, str]:
    out = subprocess.run(["certutil", "-L", "-d", f"sql:{database}"], capture_output=True, text=True, check=True)
    rows = [line.rsplit(maxsplit=1) for line in out.stdout.splitlines() if "," in line and "SSL" not in line]
    return {name.strip(): flags for name, flags in rows}


@needs_certutil
def test_trusting_twice_is_trusting_once(tmp_path: Path, root_pem: Path) -> None:
    launch.trust(tmp_path / "db", root_pem)
    launch.trust(tmp_path / "db", root_pem)
    assert trusted(tmp_path / "db") == {"root": "C,,"}


def test_without_certutil_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BrowserError, match=r"certutil was not found.*apt install libnss3-tools"):
        launch.trust(tmp_path, tmp_path / "root.pem")


@pytest.mark.skipif(os.name != "posix", reason="the stand-in is a shell script")
def test_what_certutil_complains_of_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "bin", "certutil", code=255)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin:/usr/bin")
    with pytest.raises(BrowserError, match=r"certutil cannot write it \(first second\)\. Is the disk full\?$"):
        launch.trust(tmp_path / "db", tmp_path / "root.pem")


# The profile, however it ends.


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made, here and in a command."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_a_profile_is_for_its_person_alone_and_gone_at_the_end(scratch: Path) -> None:
    with launch.private_profile() as (folder, _):
        (folder / "cache").mkdir()
        (folder / "cache" / "data").write_text("x")
        assert folder.stat().st_mode & 0o077 == 0
        assert list(scratch.iterdir()) == [folder]
    assert list(scratch.iterdir()) == []


@needs_locks
def test_what_was_left_goes_and_what_is_in_use_or_anothers_stays(scratch: Path, tmp_path: Path) -> None:
    left = scratch / f"{launch.PREFIX}left"
    (left / "profile").mkdir(parents=True)
    others = scratch / "somebody-elses"
    others.mkdir()
    (scratch / f"{launch.PREFIX}link").symlink_to(tmp_path)
    with launch.private_profile() as (used, _), launch.private_profile() as (second, _):
        there = {path.name for path in scratch.iterdir()}
        assert there == {used.name, second.name, others.name, f"{launch.PREFIX}link"}
    assert tmp_path.is_dir()


@needs_locks
def test_a_profile_of_another_person_is_left_alone(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (theirs := scratch / f"{launch.PREFIX}theirs").mkdir()
    mine = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
    with launch.private_profile():
        assert theirs.is_dir()


@needs_locks
def test_one_that_is_swept_before_it_is_locked_is_made_again(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, swept = launch._lock, list[Path]()

    def lock(folder: Path) -> int | None:
        held = real(folder)
        if not swept:
            swept.append(folder)
            folder.rmdir()
        return held

    monkeypatch.setattr(launch, "_lock", lock)
    with launch.private_profile() as (folder, _):
        assert folder.is_dir() and folder not in swept


# What stands for `bewust browse`: a profile, and a browser that sleeps; it says where the profile is.
BROWSE = """
import sys
from bewust.browsers import launch as browsers
try:
    with browsers.told_to_end(), browsers.private_profile() as (folder, descriptors):
        (folder / "history").write_text("x")
        print(folder, flush=True)
        browsers.run(["/bin/sh", "-c", sys.argv[1]], {"PATH": "/bin:/usr/bin"}, descriptors)
except browsers.Ended as ended:
    sys.exit(128 + ended.number)
"""


@contextlib.contextmanager
def browse(browser: str) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    with subprocess.Popen([sys.executable, "-c", BROWSE, browser], stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        yield started, Path(started.stdout.readline().strip())


@needs_locks
@pytest.mark.parametrize("name", ["SIGHUP", "SIGTERM", "SIGINT"])
@pytest.mark.parametrize("browser", ["exec sleep 600", "trap '' HUP TERM; while :; do sleep 0.1; done"],
                         ids=["that ends", "that does not"])  # fmt: skip
def test_a_terminal_that_is_closed_or_a_person_who_logs_out_leaves_no_profile(
    scratch: Path, name: str, browser: str
) -> None:
    number = signal.Signals[name]
    with browse(browser) as (started, folder):
        started.send_signal(number)
        assert started.wait(60) == 128 + number
    assert not folder.exists()


@needs_locks
def test_a_second_signal_does_not_keep_it_from_clearing_away(scratch: Path) -> None:
    with browse("exec sleep 600") as (started, folder):
        for _ in range(20):
            started.send_signal(signal.SIGHUP)
            started.send_signal(signal.SIGTERM)
        started.wait(60)
    assert not folder.exists()


@needs_locks
def test_what_a_killed_command_leaves_is_removed_when_its_browser_has_ended_too(scratch: Path) -> None:
    with browse("echo $$; exec sleep 600") as (started, folder):
        assert started.stdout is not None
        browser = int(started.stdout.readline())
        started.kill()
        started.wait(60)
        try:
            with launch.private_profile():
                assert folder.is_dir(), "its browser runs on, and uses it"
        finally:
            os.kill(browser, signal.SIGKILL)
    end = time.monotonic() + 30
    while folder.exists():
        assert time.monotonic() < end
        with launch.private_profile():
            pass


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is of Linux")
@pytest.mark.parametrize("address", ["https://example.nl/?q=geheim", "https://example.nl/één"])
def test_an_address_is_not_read_in_the_list_of_processes(address: str) -> None:
    told = (
        "import sys; from pathlib import Path; from bewust.browsers import launch as browsers; "
        "browsers.hide_argument(sys.argv[2]);"
        "print(Path('/proc/self/cmdline').read_bytes()); print(sys.argv[2].encode())"
    )
    out = subprocess.run([sys.executable, "-c", told, "browse", address, "end"], capture_output=True, check=True).stdout
    listed, kept = out.decode().splitlines()
    assert "example" not in listed and "geheim" not in listed
    assert r"\x00browse\x00 " in listed and listed.rstrip("'\"").endswith(r" \x00end\x00")
    assert kept == repr(address.encode())
