"""A private desktop on which toasts are really drawn: a session bus, a screen and dunst.

Belongs here: starting it, reading it back, taking a photograph, ending it. Not here: what a test
wants from it. Needs the Debian packages dbus-daemon, xvfb, dunst, imagemagick, x11-xserver-utils.

    with Desktop() as desktop:
        subprocess.run(["bewust", "run"], env=desktop.env)
        desktop.wait_for(1)
        desktop.screenshot(Path("artefacts/toast.png"))
        assert desktop.history() == [("A title", "A message")]
"""

import html
import json
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from unittest import mock

NEEDED = ("dbus-daemon", "Xvfb", "dunst", "dunstctl", "import", "xsetroot")
SCREEN = "1280x720x24"
BACKGROUND = "#3b4a5a"
PATIENCE = 10.0  # seconds for any one part to come up
END = 3.0  # seconds for a part to end by itself before it is killed

# No <standard_session_servicedirs/>: a bus with them starts the machine's own notification service
# as soon as somebody asks for one, and "a desktop without one" could not be had.
BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:dir={folder}</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""

DUNST = """[global]
origin = top-right
offset = 24x24
width = (380, 460)
height = 400
notification_limit = 5
gap_size = 10
padding = 16
horizontal_padding = 18
frame_width = 1
frame_color = "#c9ced6"
corner_radius = 10
font = DejaVu Sans 12
line_height = 3
markup = full
format = "<b>%s</b>\\n%b"
word_wrap = yes
alignment = left
icon_position = left
min_icon_size = 32
max_icon_size = 48
show_age_threshold = -1
sticky_history = yes
history_length = 100
show_indicators = no
dmenu = {menu}

[urgency_normal]
background = "#ffffff"
foreground = "#1d2733"
"""


# Stands in for dmenu: dunst gives it a line for every button, and does what it answers.
MENU = """#!/bin/sh
exec grep -m1 -F "$(cat "${0%/*}/label")"
"""


@contextmanager
def environment(env: dict[str, str]) -> Iterator[None]:
    """Make `env` the environment of this very process, and nothing else, until the block ends."""
    with mock.patch.dict(os.environ, env, clear=True):
        yield


class Desktop:
    """One desktop, from `with` to the end of its block; every process is ended by its own id.

    `env` is the environment for a program that shall see this desktop and no other.
    `daemon=False` leaves out dunst: a bus on which nobody shows notifications. `screen=False`
    leaves out the screen as well, and needs dbus-daemon only.
    """

    def __init__(self, daemon: bool = True, screen: bool = True) -> None:
        self._with_daemon = daemon and screen
        self._with_screen = screen
        self._stack = ExitStack()
        self.dunst: subprocess.Popen[bytes] | None = None
        self.env: dict[str, str] = {}

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _start(self) -> None:
        self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        # Neither the developer's own desktop nor its dunst configuration may leak in.
        strange = ("DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS")
        self.env = {k: v for k, v in os.environ.items() if k not in strange}
        self.env |= {"XDG_RUNTIME_DIR": str(self._folder), "XDG_CONFIG_HOME": str(self._folder)}
        bus = self._folder / "bus.conf"
        bus.write_text(BUS.format(folder=self._folder))
        self.env["DBUS_SESSION_BUS_ADDRESS"] = self._start_and_read_line(
            ["dbus-daemon", f"--config-file={bus}", "--nofork", "--print-address={}"]
        )
        if self._with_screen:
            number = self._start_and_read_line(
                ["Xvfb", "-displayfd", "{}", "-screen", "0", SCREEN, "-noreset"]  # keeps the background
            )
            self.env["DISPLAY"] = f":{number}"
            self._run("xsetroot", "-solid", BACKGROUND)
        if self._with_daemon:
            self._start_daemon()

    def restart_daemon(self) -> None:
        """End dunst and start another; what was on the screen is gone, and counting begins anew."""
        assert self.dunst is not None
        _end(self.dunst)
        self._start_daemon()

    def choose(self, label: str) -> None:
        """Do what a person does who picks the button called `label` from dunst's menu of all buttons."""
        (self._folder / "label").write_text(label)
        self._run("dunstctl", "context")

    def dunstctl(self, *words: str) -> None:
        """Tell dunst something, such as `set-paused true`. Raises CalledProcessError."""
        self._run("dunstctl", *words)

    def _start_daemon(self) -> None:
        config = self._folder / "dunstrc"
        menu = self._folder / "menu"
        menu.write_text(MENU)
        menu.chmod(0o755)
        config.write_text(DUNST.format(menu=menu))
        self.dunst = self._start_process(["dunst", "-conf", str(config)])
        self._until(lambda: self._answers("is-paused"), "dunst does not answer on the bus")

    def _start_process(self, command: Sequence[str], pass_fd: int = -1) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            command,
            env=self.env,
            pass_fds=(pass_fd,) if pass_fd >= 0 else (),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._stack.callback(_end, process)
        return process

    def _start_and_read_line(self, command: Sequence[str]) -> str:
        """Start a part that writes its address to the descriptor put in the place of `{}`."""
        reading, writing = os.pipe()
        try:
            self._start_process([part.replace("{}", str(writing)) for part in command], writing)
        finally:
            os.close(writing)
        with os.fdopen(reading) as pipe:
            line = pipe.readline().strip()
        if not line:
            raise RuntimeError(f"{command[0]} did not start")
        return line

    def _run(self, *command: str) -> str:
        """Run a short command on this desktop; its output. Raises CalledProcessError."""
        done = subprocess.run(command, env=self.env, check=True, capture_output=True, text=True, timeout=PATIENCE)
        return done.stdout

    def _answers(self, question: str) -> bool:
        try:
            self._run("dunstctl", question)
        except subprocess.CalledProcessError:
            return False
        return True

    def _until(self, holds: Callable[[], bool], complaint: str) -> None:
        end = time.monotonic() + PATIENCE
        while not holds():
            if time.monotonic() > end:
                raise TimeoutError(complaint)
            time.sleep(0.05)

    def processes(self) -> set[int]:
        """Ids of the running processes that were started with `env`, orphans included."""
        mark = f"XDG_CONFIG_HOME={self.env['XDG_CONFIG_HOME']}".encode()
        found = set()
        for entry in Path("/proc").glob("[0-9]*/environ"):
            with suppress(OSError):  # ended meanwhile, or somebody else's
                if mark in entry.read_bytes().split(b"\0"):
                    found.add(int(entry.parent.name))
        return found

    def wait_processes(self, wanted: set[int]) -> None:
        """Wait until these run and no others."""
        end = time.monotonic() + 60
        while (found := self.processes()) != wanted:
            assert time.monotonic() < end, f"{found} run, not {wanted}"
            time.sleep(0.05)

    def displayed(self) -> int:
        """How many toasts are on the screen now."""
        return int(self._run("dunstctl", "count", "displayed"))

    def wait_for(self, toasts: int) -> None:
        """Wait until at least `toasts` are on the screen; TimeoutError after PATIENCE seconds."""
        self._until(lambda: self.displayed() >= toasts, f"fewer than {toasts} toasts on the screen")

    def history(self) -> list[tuple[str, str]]:
        """(title, message) of every toast shown so far, oldest first, as a person reads them.

        dunst takes a toast into its history when it closes, so this closes what is on the screen:
        take the screenshot first. As dunst does when it draws a message: tags go, entities turn.
        """
        self._run("dunstctl", "close-all")
        self._until(lambda: self.displayed() == 0, "toasts that will not close")
        toasts = json.loads(self._run("dunstctl", "history"))["data"][0]
        toasts.sort(key=lambda toast: toast["id"]["data"])
        return [(toast["summary"]["data"], _as_drawn(toast["body"]["data"])) for toast in toasts]

    def screenshot(self, path: Path) -> None:
        """Photograph the whole screen into `path` (.png); folders are made."""
        path.parent.mkdir(parents=True, exist_ok=True)
        time.sleep(0.3)  # dunst counts a toast as displayed just before it has drawn it
        self._run("import", "-window", "root", str(path))


def _as_drawn(body: str) -> str:
    return html.unescape(re.sub(r"</?\w[^>]*>", "", body))


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(END)
    except subprocess.TimeoutExpired:
        process.kill()  # a stopped process takes no other signal
        process.wait()
