"""The .deb on clean machines of Debian 12 and 13 without a network: installed, used, upgraded, purged.

Nothing is set by hand: two browsers of a person who is logged in visit a search page with an AI answer,
and a reminder is on that person's desktop. Run by `make test-packages`, as root. What a desktop would do
(an X server, a notification daemon, reaching graphical-session.target) is done here, as is the internet.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from packages.machines import ADDRESS, Machine, bootstrap, internet, mirror, tree, wait

ROOT = Path(__file__).parents[2]
SUITES = {"bookworm": "Debian 12", "trixie": "Debian 13"}
CACHE = Path(os.environ.get("BEWUST_MACHINES", ROOT / "artefacts" / "machines"))
NEEDED = ("debootstrap", "unshare", "nsenter", "pivot_root", "lintian", "rpm")
# What `useradd` and `userdel` of any package leave: the copy of before of each list of accounts.
BACKUPS = {"etc/passwd-", "etc/shadow-", "etc/group-", "etc/gshadow-", "etc/.pwd.lock", "etc/subuid-", "etc/subgid-"}
# An empty /opt belongs to no package of Debian, so it goes with the last one that used it.
EMPTIED = {"opt"}
SEARCH = "https://www.google.nl/search?q=inline"

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or any(not shutil.which(program) for program in NEEDED),
    reason=f"needs root and {', '.join(NEEDED)}",
)


@pytest.fixture(scope="module")
def packages() -> dict[str, Path]:
    """Both versions; the second is the same with another number."""
    for version in ("0.1.0", "0.1.1"):
        if not (ROOT / "artefacts" / f"bewust_{version}-1_amd64.deb").exists():
            subprocess.run([sys.executable, "-m", "installer.linux.build", "--version", version], cwd=ROOT, check=True)
    return {v: ROOT / "artefacts" / f"bewust_{v}-1_amd64.deb" for v in ("0.1.0", "0.1.1")}


def test_the_packages_are_small_and_without_a_lintian_tag(packages: dict[str, Path]) -> None:
    for package in [packages["0.1.0"], ROOT / "artefacts" / "bewust-0.1.0-1.x86_64.rpm"]:
        assert package.stat().st_size < 35e6
    said = subprocess.run(
        ["lintian", "--allow-root", str(packages["0.1.0"])], capture_output=True, text=True, check=False
    )
    assert said.stdout.strip() == ""


def test_the_rpm_has_the_same_files_and_its_own_words_for_install_and_erase(packages: dict[str, Path]) -> None:
    rpm = ROOT / "artefacts" / "bewust-0.1.0-1.x86_64.rpm"
    listed = subprocess.run(["rpm", "-qlp", str(rpm)], capture_output=True, text=True, check=True).stdout.splitlines()
    deb = subprocess.run(["dpkg-deb", "-c", str(packages["0.1.0"])], capture_output=True, text=True, check=True).stdout
    ours = {line.split()[5].removeprefix(".") for line in deb.splitlines() if not line.split()[5].endswith("/")}
    assert {path.split(" ")[0] for path in ours} <= set(listed)
    scripts = subprocess.run(["rpm", "-qp", "--scripts", str(rpm)], capture_output=True, text=True, check=True).stdout
    assert "bewust admin" in scripts and "[2-9])" in scripts


@pytest.fixture(params=SUITES)
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Machine]:
    """A clean machine of this release, booted."""
    clean = CACHE / request.param
    if not (clean / "etc/debian_version").exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        bootstrap(request.param, mirror(), clean)
    with Machine(clean, tmp_path) as booted:
        yield booted


@contextlib.contextmanager
def world(machine: Machine) -> Iterator[None]:
    """The internet of this machine: our origin under the real names, vouched for by a root the system trusts."""
    with internet(partial(machine.enter, network_only=True)) as (pem, hosts):
        machine.put("/usr/local/share/ca-certificates/world.crt", pem)
        machine.put("/etc/hosts", f"127.0.0.1 localhost\n{ADDRESS} {hosts}\n")
        machine.run("update-ca-certificates")
        yield


def there(machine: Machine, path: str) -> bool:
    """Whether a file is there, also on a file system that only the machine has mounted."""
    return machine.run("sh", "-c", f"test -e {path} && echo yes", check=False).strip() == "yes"


def log_in(machine: Machine, user: str) -> None:
    """What a desktop does when a person logs in."""
    machine.run("useradd", "--create-home", "--shell", "/bin/sh", user)
    uid = machine.run("id", "-u", user).strip()
    machine.put("/etc/systemd/user/desktop.target", "[Unit]\nBindsTo=graphical-session.target\n")
    machine.put("/etc/systemd/system/xvfb.service", "[Service]\nExecStart=/usr/bin/Xvfb :99 -screen 0 1024x768x24\n")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "start", "xvfb.service")
    machine.run("loginctl", "enable-linger", user)  # a systemd of their own, known to logind, without a screen
    wait(partial(there, machine, f"/run/user/{uid}/bus"))
    machine.run("systemctl", "--user", "set-environment", "DISPLAY=:99", user=user)
    machine.run("systemctl", "--user", "start", "desktop.target", user=user)


def counts(machine: Machine) -> dict[tuple[str, str], int]:
    rows = json.loads(machine.run("/usr/bin/bewust", "--state", "/var/lib/bewust/state", "stats", "--json"))
    return {(row["service"], row["kind"]): row["n"] for row in rows}


def main_process(machine: Machine) -> int:
    """The process of the service, 0 while there is none."""
    return int(machine.run("systemctl", "show", "-p", "MainPID", "--value", "bewust.service"))


def more_seen(machine: Machine, than: int) -> bool:
    """Whether the agent has looked at another search page."""
    return counts(machine).get(("google-ai-overview", "seen"), 0) > than


def toasts(machine: Machine, user: str) -> list[str]:
    """The titles that this person's notification daemon has shown."""
    history = json.loads(machine.run("dunstctl", "history", user=user))
    return [one["summary"]["data"] for one in history["data"][0]]


def visit(machine: Machine, browser: str, user: str) -> None:
    """Open the search page as a person would, in a browser as it came."""
    if browser == "chromium":
        command = ["chromium", "--headless=new", "--no-sandbox", "--virtual-time-budget=4000", "--dump-dom", SEARCH]
        assert "the tide turns twice a day" in machine.run(*command, user=user, seconds=90)
    else:
        command = ["firefox-esr", "--headless", "--screenshot", f"/home/{user}/seen.png", SEARCH]
        machine.run(*command, user=user, seconds=90)


def test_a_machine_from_install_to_purge(machine: Machine, packages: dict[str, Path]) -> None:
    for package in packages.values():
        shutil.copy(package, machine.root / "var/cache" / package.name)
    with world(machine):
        log_in(machine, "anne")
        before = tree(machine.root)
        machine.run("dpkg", "-i", "/var/cache/bewust_0.1.0-1_amd64.deb")
        status = json.loads(machine.run("bewust", "admin", "status", "--json"))
        assert set(status.values()) == {None}, status
        assert {"policies of Chromium", "policies of Firefox"} <= set(status)

        frozen = main_process(machine)
        machine.run("sh", "-c", f"kill -STOP {frozen}")
        wait(lambda: main_process(machine) not in (frozen, 0), 60)  # systemd's watchdog

        for browser in ("chromium", "firefox"):
            seen = counts(machine).get(("google-ai-overview", "seen"), 0)
            visit(machine, browser, "anne")
            wait(partial(more_seen, machine, seen))
        wait(lambda: toasts(machine, "anne") != [])
        assert counts(machine)["google-ai-overview", "reminded"] >= 1

        kept = counts(machine)
        fingerprint = machine.run("bewust", "--state", "/var/lib/bewust/state", "authority", "show")
        machine.put("/etc/bewust/policy.d/50-ours.toml", "[reminders]\ndaily = 4\n")
        machine.run("dpkg", "-i", "/var/cache/bewust_0.1.1-1_amd64.deb")
        assert "0.1.1" in os.readlink(machine.root / "opt/bewust/current")
        assert sorted(os.listdir(machine.root / "opt/bewust")) == ["0.1.1", "current"]
        assert machine.run("bewust", "--state", "/var/lib/bewust/state", "authority", "show") == fingerprint
        assert counts(machine) == kept
        assert (machine.root / "etc/bewust/policy.d/50-ours.toml").exists()

        machine.run("dpkg", "--remove", "bewust")
        assert not (machine.root / "etc/chromium/policies/managed/zz-bewust.json").exists()
        assert (machine.root / "var/lib/bewust/state/authority").is_dir()
        machine.run("dpkg", "--purge", "bewust")
        after = tree(machine.root)
    differing = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    assert differing <= BACKUPS | EMPTIED, {path: (before.get(path), after.get(path)) for path in differing}
