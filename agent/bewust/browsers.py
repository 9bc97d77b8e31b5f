"""An isolated browser that trusts and uses the agent; nothing on the machine is changed.

Belongs here: profiles and command lines. The profile is a folder of its own: trust goes into its
NSS database and the PAC into its settings, so that both are gone with the folder.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "microsoft-edge", "brave-browser")
FIREFOXES = ("firefox-esr", "firefox")

# No first-run pages and no calls home: what is seen in this window is the person's own browsing.
# QUIC is off because a proxy cannot see it, and Chrome refuses a private authority there.
QUIET = (
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--allow-browser-signin=false",
)

_PREFERENCES = """\
user_pref("network.proxy.type", 2);
user_pref("network.proxy.autoconfig_url", "{pac}");
user_pref("network.http.http3.enable", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("browser.aboutwelcome.enabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("toolkit.telemetry.reportingpolicy.firstRun", false);
"""


class BrowserError(RuntimeError):
    """No browser can be started: says why and what to do."""


def find(wanted: str | None = None) -> Path:
    """Return the browser named, or the first known one on PATH. Raises BrowserError."""
    for name in (wanted,) if wanted else CHROMIUMS + FIREFOXES:
        if found := shutil.which(name):
            return Path(found)
    missing = wanted or "Chromium or Firefox"
    raise BrowserError(
        f"{missing} was not found. Install it (Debian: apt install chromium), or name one with --browser."
    )


def is_firefox(browser: Path) -> bool:
    """Whether a browser is of Firefox's kind; all others here are of Chromium's."""
    return "firefox" in browser.name.lower()


def command(
    browser: Path, profile: Path, *, pac_url: str, root_pem: Path, url: str = "", extra: Sequence[str] = ()
) -> tuple[list[str], dict[str, str]]:
    """Prepare `profile` and return the command line and the environment to start a browser with."""
    profile.mkdir(parents=True, exist_ok=True, mode=0o700)
    environment = dict(os.environ)
    target = [url] if url else []
    if is_firefox(browser):
        trust(profile, root_pem)
        (profile / "user.js").write_text(_PREFERENCES.format(pac=pac_url), encoding="utf-8")
        return [str(browser), "--no-remote", "--profile", str(profile), *extra, *target], environment
    # Chromium reads its own trust from $HOME/.pki/nssdb, so this window gets a HOME of its own.
    trust(profile / ".pki" / "nssdb", root_pem)
    # Without XAUTHORITY a display looks for its key in the HOME that is left behind here.
    environment.setdefault("XAUTHORITY", str(Path.home() / ".Xauthority"))
    environment["HOME"] = str(profile)
    for name in [name for name in environment if name.startswith("XDG_") and name.endswith("_HOME")]:
        del environment[name]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        extra = ["--no-sandbox", *extra]  # Chromium's sandbox does not start for root
    line = [str(browser), f"--user-data-dir={profile / 'profile'}", f"--proxy-pac-url={pac_url}", *QUIET, *extra]
    return line + target, environment


def trust(database: Path, root_pem: Path) -> None:
    """Make an NSS database that trusts one root for web sites. Raises BrowserError."""
    certutil = shutil.which("certutil")
    if certutil is None:
        raise BrowserError(
            "certutil was not found; with it a browser is told to trust Bewust. "
            "Install it (Debian: apt install libnss3-tools)."
        )
    database.mkdir(parents=True, exist_ok=True, mode=0o700)
    steps = [["-N", "--empty-password"]] if not (database / "cert9.db").exists() else []
    steps.append(["-A", "-t", "C,,", "-n", root_pem.stem, "-i", str(root_pem)])
    for step in steps:
        done = subprocess.run([certutil, "-d", f"sql:{database}", *step], capture_output=True, text=True, check=False)
        if done.returncode:
            said = " ".join(done.stderr.split())
            raise BrowserError(f"{database}: certutil cannot write it ({said}). Is the disk full?")


def settle(folder: Path) -> None:
    """Empty a profile that the browser's last processes may still be writing to."""
    for _ in range(20):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            folder.mkdir()
            return
        time.sleep(0.1)
