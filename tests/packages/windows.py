"""The .msi on a Windows of Wine's, without a network: installed, used, upgraded, rolled back, removed.

A page with an AI answer is asked for through the installed service, from a loopback server that plays the
internet. Run by `make test-packages`, as root. What Wine cannot show is in docs/support.md.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from bewust.config import platform_policy
from installer.windows import package
from packages import wine
from packages.machines import internet, wait
from packages.wine import Windows

ROOT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("BEWUST_MACHINES", ROOT / "artefacts" / "machines"))
VERSIONS = ("0.1.0", "0.1.1")
PORT = 8899
PROGRAMS = "Program Files/Bewust"
DATA = "ProgramData/Bewust"
RUN = r"SOFTWARE\Microsoft\Windows\CurrentVersion\Run"
UNINSTALL = r"SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall"
BROWSERS = (r"Google\Chrome", r"Microsoft\Edge", r"BraveSoftware\Brave", r"Mozilla\Firefox")
SEARCH = "https://www.google.nl/search?q=inline"
# What Windows Installer ends with; Wine hands on the lower eight bits.
DONE, FAILED, REFUSED = 0, 1627 % 256, 1603 % 256
ASK = """
import sys, httpx, ssl
proxy, root, url = sys.argv[1:]
with httpx.Client(proxy=proxy, verify=ssl.create_default_context(cafile=root)) as client:
    answer = client.get(url, timeout=60)
    print(answer.status_code, "the tide turns twice a day" in answer.text)
"""
VISIT = """
import ssl, sys, urllib.request
proxy, root, url = sys.argv[1:]
trusting = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=root))
opener = urllib.request.build_opener(urllib.request.ProxyHandler({"https": proxy}), trusting)
print(opener.open(url, timeout=60).status)
"""
# Every module that imports mitmproxy, so nothing of it was left out that is missed; and what shows a toast.
IMPORTS = """
import importlib, pkgutil, bewust_addons.flowfile
import bewust.desktop.toast, plyer.platforms.win.notification
from bewust_addons.patches import imports
imports.skip()
for module in pkgutil.walk_packages(bewust_addons.__path__, "bewust_addons."):
    importlib.import_module(module.name)
print("all")
"""

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or any(not shutil.which(program) for program in wine.PROGRAMS),
    reason=f"needs root and {', '.join(wine.PROGRAMS)}",
)


@pytest.fixture(scope="module")
def packages() -> dict[str, Path]:
    """Both versions; the second is the same with another number, made anew whenever the first is."""
    files = {version: ROOT / "artefacts" / f"bewust-{version}-x64.msi" for version in VERSIONS}
    for before, version in (("0.1.0", "0.1.0"), VERSIONS):
        if not files[version].exists() or files[version].stat().st_mtime < files[before].stat().st_mtime:
            command = [sys.executable, "-m", "installer.windows.build", "--version", version]
            subprocess.run(command, cwd=ROOT, check=True)
    return files


@pytest.fixture
def windows(tmp_path: Path, packages: dict[str, Path]) -> Iterator[Windows]:
    """A clean Windows that has both packages, and nothing of ours installed."""
    clean = CACHE / "wine"
    if not (clean / "prepared").exists():
        shutil.rmtree(clean, ignore_errors=True)
        clean.mkdir(parents=True)
        wine.prepare(clean)
        (clean / "prepared").touch()
    with Windows(clean, tmp_path) as booted:
        for file in packages.values():
            shutil.copy(file, booted.drive / file.name)
        yield booted


@contextlib.contextmanager
def world(windows: Windows) -> Iterator[None]:
    """The internet of this Windows."""
    with internet(windows.enter) as (pem, hosts):
        windows.reach(hosts, pem)
        yield


def msi(version: str) -> str:
    return rf"C:\bewust-{version}-x64.msi"


def bewust(windows: Windows, version: str, *words: str) -> tuple[int, str]:
    """Run our command as it was installed."""
    python = rf"C:\Program Files\Bewust\{version}\python\python.exe"
    return windows.run(python, "-m", "bewust.cli.main", *words)


def counts(windows: Windows, version: str) -> dict[tuple[str, str], int]:
    code, said = bewust(windows, version, "--state", r"C:\ProgramData\Bewust\state", "stats", "--json")
    assert code == 0, said
    return {(row["service"], row["kind"]): row["n"] for row in json.loads(said[said.index("[") :])}


def fingerprint(windows: Windows) -> str:
    """The root that browsers trust, which is made once on each machine."""
    return (windows.drive / DATA / "root.pem").read_text()


def ask(windows: Windows, root: Path) -> str:
    """Ask for the search page through the agent, from beside that Windows, trusting only its own root."""
    command = windows.enter(sys.executable, "-c", ASK, f"http://127.0.0.1:{PORT}", str(root), SEARCH)
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=90)
    return done.stdout.strip() or done.stderr


def log_in(windows: Windows) -> None:
    """What Windows does when a person logs in: it starts what stands in the Run key."""
    (command,) = re.findall(r"Bewust\s+REG_SZ\s+(.*)", windows.registry(f"HKLM\\{RUN}"))
    windows.start(*(quoted or bare for quoted, bare in re.findall(r'"([^"]*)"|(\S+)', command)))


def visit(windows: Windows, version: str) -> None:
    """Ask for the search page as a browser of that Windows would: by a process whose owner is known."""
    python = rf"C:\Program Files\Bewust\{version}\python\python.exe"
    code, said = windows.run(python, "-c", VISIT, f"http://127.0.0.1:{PORT}", r"C:\ProgramData\Bewust\root.pem", SEARCH)
    assert code == 0 and said.strip() == "200", said


def reminded(windows: Windows, version: str) -> bool:
    """Whether the session of who visits has been sent a reminder; they search again until it is.

    What is within ten seconds of a search is the same use, and was decided on before the session was there.
    """
    time.sleep(12)
    visit(windows, version)
    return counts(windows, version).get(("google-ai-overview", "reminded"), 0) >= 1


def log(windows: Windows) -> str:
    """What the steps said, for when one fails."""
    file = windows.drive / "windows" / "logs" / "Bewust" / "admin.log"
    return file.read_text(errors="replace") if file.exists() else "no log"


def running(windows: Windows) -> bool:
    _, said = windows.run("sc", "query", "Bewust", seconds=60)
    return "RUNNING" in said


def versions(windows: Windows) -> set[str]:
    """Which versions lie there."""
    return {name.split("/")[0] for name in windows.files(PROGRAMS)}


def sessions(windows: Windows) -> set[str]:
    """The versions of the sessions that run."""
    return {found[1] for one in windows.programs() if (found := re.search(r"([0-9.]+)\\python\\pythonw\.exe", one))}


def nothing_of_ours(windows: Windows) -> None:
    """Neither files nor settings of ours are on this Windows, whatever is kept in the data folder."""
    assert versions(windows) == set()
    for browser in BROWSERS:
        assert windows.registry(rf"HKLM\SOFTWARE\Policies\{browser}", "/s") == ""
    assert "Bewust" not in windows.registry(f"HKLM\\{RUN}")
    for version in VERSIONS:
        assert windows.registry(rf"HKLM\{UNINSTALL}\{package.product_code(version)}") == ""
    code, _ = windows.run("sc", "query", "Bewust", seconds=60)
    assert code != 0


def test_the_package_is_small(packages: dict[str, Path]) -> None:
    assert packages["0.1.0"].stat().st_size < 40e6


def test_a_workstation_from_install_to_removal(windows: Windows) -> None:
    with world(windows):
        assert windows.msiexec("/i", msi("0.1.0"), f"PORT={PORT}") == DONE, log(windows)
        code, said = bewust(windows, "0.1.0", "admin", "status", "--json")
        status = json.loads(said[said.index("{") :])
        assert code == 0 and set(status.values()) == {None}, status
        assert running(windows)
        python = r"C:\Program Files\Bewust\0.1.0\python\python.exe"
        assert windows.run(python, "-c", IMPORTS) == (0, "all\n")
        for browser in BROWSERS:
            assert f"127.0.0.1:{PORT}/proxy.pac" in windows.registry(rf"HKLM\SOFTWARE\Policies\{browser}", "/s")

        root = windows.drive / DATA / "root.pem"
        assert ask(windows, root) == "200 True"
        wait(lambda: counts(windows, "0.1.0").get(("google-ai-overview", "use"), 0) >= 1)
        log_in(windows)
        wait(partial(reminded, windows, "0.1.0"), 240)

        # What the template of group policy would write is read.
        windows.run("reg", "add", rf"HKLM\{platform_policy.KEY}", "/v", "reminders.daily", "/t", "REG_DWORD", "/d", "5")
        _, said = bewust(windows, "0.1.0", "policy", "show", "--origin")
        assert re.search(r"reminders\.daily\s+\|5\s+\|registry", said), said

        kept, trusted = counts(windows, "0.1.0"), fingerprint(windows)
        assert windows.msiexec("/i", msi("0.1.1")) == DONE, log(windows)
        assert versions(windows) == {"0.1.1"}
        assert fingerprint(windows) == trusted and counts(windows, "0.1.1") == kept
        assert running(windows) and ask(windows, root) == "200 True"  # at the port chosen for the first version
        wait(lambda: sessions(windows) == {"0.1.1"}, 120)  # that of who is logged in has handed on

        assert windows.msiexec("/x", msi("0.1.1")) == DONE, log(windows)
        nothing_of_ours(windows)
        wait(lambda: sessions(windows) == set())
        assert windows.msiexec("/i", msi("0.1.1"), f"PORT={PORT}") == DONE, log(windows)
        again = counts(windows, "0.1.1")  # the page that was asked for after the upgrade is in it too
        assert fingerprint(windows) == trusted and all(again[key] >= number for key, number in kept.items())
        assert windows.msiexec("/x", msi("0.1.1"), "PURGE=1") == DONE, log(windows)
        nothing_of_ours(windows)
        assert not (windows.drive / DATA).exists()


def test_an_installation_that_is_refused_leaves_nothing(windows: Windows) -> None:
    theirs = rf"HKLM\SOFTWARE\Policies\{BROWSERS[0]}"
    windows.run("reg", "add", theirs, "/v", "ProxyMode", "/d", "system")
    assert windows.msiexec("/i", msi("0.1.0")) == FAILED  # another's decision is not overwritten
    assert "system" in windows.registry(theirs) and "ProxyMode" in log(windows)
    windows.run("reg", "delete", theirs, "/f")
    nothing_of_ours(windows)


def test_an_installation_that_fails_half_way_leaves_nothing(windows: Windows) -> None:
    with taken(windows, PORT):  # the service is there, and ends at once
        assert windows.msiexec("/i", msi("0.1.0"), f"PORT={PORT}") == FAILED
    assert "service" in log(windows)
    nothing_of_ours(windows)


@contextlib.contextmanager
def taken(windows: Windows, port: int) -> Iterator[None]:
    """Another program of that machine listens at a port."""
    code = f"import socket, sys; s = socket.create_server(('127.0.0.1', {port})); print('ready', flush=True); input()"
    command = windows.enter(sys.executable, "-c", code)
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"ready\n"
    yield
    process.communicate(b"\n", timeout=20)


def test_an_upgrade_that_fails_leaves_the_version_that_was(windows: Windows) -> None:
    with world(windows):
        assert windows.msiexec("/i", msi("0.1.0"), f"PORT={PORT}") == DONE, log(windows)
        root, trusted = windows.drive / DATA / "root.pem", fingerprint(windows)
        assert windows.msiexec("/i", msi("0.1.1"), "PORT=80") == FAILED
        assert versions(windows) == {"0.1.0"} and fingerprint(windows) == trusted
        assert running(windows) and ask(windows, root) == "200 True"


def test_an_older_version_is_refused(windows: Windows) -> None:
    with world(windows):
        assert windows.msiexec("/i", msi("0.1.1")) == DONE, log(windows)
        assert windows.msiexec("/i", msi("0.1.0")) == REFUSED
        assert versions(windows) == {"0.1.1"} and running(windows)
