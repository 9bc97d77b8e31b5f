"""An isolated browser that trusts and uses the agent; nothing on the machine is changed.

Belongs here: profiles and command lines. The profile is a folder of its own: trust goes into its
NSS database and the PAC into its settings, so that both are gone with the folder. Its history and cache
are the person's, so it goes away however the browser or we end. The address that is opened is in its
settings too: everybody on the machine can read a command line.
"""

import contextlib
import ctypes
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType

from bewust.browsers import known
from bewust.browsers.known import Family
from bewust.errors import NO_BROWSER, BewustError
from bewust.system.environment import allowed

if sys.platform != "win32":
    import fcntl

PREFIX = "bewust-browse-"
END_SECONDS = 5.0  # for a browser to end by itself

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
user_pref("browser.startup.homepage_override.mstone", "ignore");
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("toolkit.telemetry.reportingpolicy.firstRun", false);
"""


class BrowserError(BewustError, RuntimeError):
    """No browser can be started: says why and what to do."""

    exit_code = NO_BROWSER


def find(wanted: str | None = None) -> Path:
    """Return the browser named, or the first known one on PATH. Raises BrowserError."""
    ours = [command for family in Family for command in _commands(family)]
    for name in [wanted] if wanted else ours:
        if found := shutil.which(name):
            return Path(found)
    missing = wanted or "Chromium or Firefox"
    raise BrowserError(
        f"{missing} was not found. Install it (Debian: apt install chromium), or name one with --browser."
    )


def is_firefox(browser: Path) -> bool:
    """Whether a browser is of Firefox's kind; all others here are of Chromium's."""
    return any(command.partition("-")[0] in browser.name.lower() for command in _commands(Family.FIREFOX))


def _commands(family: Family) -> list[str]:
    return [command for one in known.KNOWN if one.family is family for command in one.commands]


def command(
    browser: Path, profile: Path, *, pac_url: str, root_pem: Path, url: str = "", extra: Sequence[str] = ()
) -> tuple[list[str], dict[str, str]]:
    """Prepare `profile` to open `url`, and return the command line and the environment to start a browser with."""
    profile.mkdir(parents=True, exist_ok=True, mode=0o700)
    environment = allowed(desktop=True)
    if is_firefox(browser):
        trust(profile, root_pem)
        preferences = _PREFERENCES.format(pac=pac_url)
        if url:  # a "|" would be between two pages
            page = json.dumps(url.replace("|", "%7C"))
            preferences += f'user_pref("browser.startup.page", 1);\nuser_pref("browser.startup.homepage", {page});\n'
        (profile / "user.js").write_text(preferences, encoding="utf-8")
        return [str(browser), "--no-remote", "--profile", str(profile), *extra], environment
    # Chromium reads its own trust from $HOME/.pki/nssdb, so this window gets a HOME of its own.
    trust(profile / ".pki" / "nssdb", root_pem)
    # Without XAUTHORITY a display looks for its key in the HOME that is left behind here.
    environment.setdefault("XAUTHORITY", str(Path.home() / ".Xauthority"))
    environment["HOME"] = str(profile)
    for name in [name for name in environment if name.startswith("XDG_") and name.endswith("_HOME")]:
        del environment[name]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        extra = ["--no-sandbox", *extra]  # Chromium's sandbox does not start for root
    data = profile / "profile"
    if url:
        (data / "Default").mkdir(parents=True, exist_ok=True)
        session = {"session": {"restore_on_startup": 4, "startup_urls": [url]}}
        (data / "Default" / "Preferences").write_text(json.dumps(session), encoding="utf-8")
    return [str(browser), f"--user-data-dir={data}", f"--proxy-pac-url={pac_url}", *QUIET, *extra], environment


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


@contextlib.contextmanager
def private_profile() -> Iterator[tuple[Path, tuple[int, ...]]]:
    """Yield a folder that only this person can read, and the descriptors that its browser shall inherit.

    It is removed at the end. Whoever has such a descriptor holds its lock, so what is left of one that was
    killed is told from one that a browser still uses, and is removed when the next is made.
    """
    _sweep(Path(tempfile.gettempdir()))
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        lock = _lock(folder)
        if lock is None or folder.is_dir():  # else another, that was sweeping, was quicker than our lock
            break
        os.close(lock)
    try:
        yield folder, () if lock is None else (lock,)
    finally:
        _remove(folder)
        if lock is not None:
            os.close(lock)


def _lock(folder: Path) -> int | None:
    """Return a descriptor that holds the lock of a folder; None on Windows. OSError where another holds it."""
    if sys.platform == "win32":
        return None
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(opened)
        raise
    return opened


def _sweep(base: Path) -> None:
    """Remove profiles of this person whose browser and command have ended without doing so."""
    if sys.platform == "win32":  # there no lock of a folder tells whether it is in use
        return
    for folder in base.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            about = folder.lstat()
            if stat.S_ISDIR(about.st_mode) and about.st_uid == os.geteuid():
                lock = _lock(folder)
                shutil.rmtree(folder, ignore_errors=True)
                if lock is not None:
                    os.close(lock)


def _remove(folder: Path) -> None:
    """Remove a profile that the browser's last processes may still be writing to."""
    end = time.monotonic() + END_SECONDS
    while folder.exists():
        shutil.rmtree(folder, ignore_errors=True)
        if time.monotonic() > end:
            return
        time.sleep(0.05)


class Ended(BaseException):
    """The terminal was closed, the person logged out, or pressed Ctrl-C: `number` is the signal."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextlib.contextmanager
def told_to_end() -> Iterator[None]:
    """Raise Ended at the first signal to end, and heed no other: what is being cleared away is cleared away."""
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    told = False

    def end(number: int, frame: FrameType | None) -> None:
        nonlocal told
        if not told:
            told = True
            raise Ended(number)

    before = {number: signal.signal(number, end) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run(line: Sequence[str], environment: Mapping[str, str], descriptors: Sequence[int] = ()) -> int:
    """Start a browser and return its exit code; one that is still there when we are told to end, ends. BrowserError."""
    try:
        process = subprocess.Popen(line, env=environment, stderr=subprocess.DEVNULL, pass_fds=tuple(descriptors))
    except OSError as error:
        raise BrowserError(f"{line[0]}: cannot be started ({error.strerror}). Name another.") from error
    try:
        return process.wait()
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def hide_argument(text: str) -> None:
    """Blank out an argument of this process, which everybody on a Linux machine can read. Elsewhere it stays."""
    if sys.platform != "linux" or not text:
        return
    # proc_pid_stat(5): fields 48 and 49 are where the arguments begin and end; the second, a name, may hold blanks.
    fields = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
    begin, end = int(fields[45]), int(fields[46])
    wanted, kept = os.fsencode(text), Path("/proc/self/cmdline").read_bytes()
    at = kept.find(b"\0" + wanted + b"\0")
    if at >= 0 and begin and begin + len(kept) <= end + 1:
        ctypes.memset(begin + at + 1, ord(" "), len(wanted))
