"""Runs the suite on other dates, in another time zone and other locales: python -m dates.run [PYTEST ARGUMENT...].

Prints one line for each; exit code 1 where a test failed, with its output in artefacts/dates/. All tests but those
that steer browsers and a desktop. The clock is moved for the tests and every process they start (wall_clock.c); files
are stamped by the kernel, whose clock stays where it is, as on a machine whose clock was set a moment ago.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
KEPT = ROOT / "artefacts" / "dates"
TESTS = ("tests", "--ignore=tests/e2e", "tests/e2e/faults/test_clock.py", "tests/e2e/faults/test_damage.py")
OPTIONS = ("-n", "2", "--dist", "loadscope", "-q", "-p", "no:cacheprovider", "--timeout=600")
KIRITIMATI = {"TZ": "Pacific/Kiritimati"}  # fourteen hours ahead of UTC, further than any other
ASCII = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"}  # names of files stay UTF-8: Python sees to that under C
ABSENT = {"LC_ALL": "xx_XX.UTF-8", "LANG": "xx_XX.UTF-8", "LANGUAGE": "xx"}


class Case(NamedTuple):
    """A date to run the suite at: `ahead` of now, or at `at`; `environment` is what else differs."""

    name: str
    ahead: timedelta = timedelta()
    at: datetime | None = None
    environment: Mapping[str, str] = {}

    def offset(self, now: datetime) -> int:
        """Return by how many seconds the clock is moved."""
        return round((self.ahead if self.at is None else self.at - now).total_seconds())


CASES = (
    Case("+40 days", timedelta(days=40)),
    Case("+400 days", timedelta(days=400)),
    Case("29 February 2028", at=datetime(2028, 2, 29, 12, tzinfo=UTC)),
    Case("31 December 2026, 23:59", at=datetime(2026, 12, 31, 23, 59, tzinfo=UTC), environment={"TZ": "UTC"}),
    Case("in Kiritimati", environment=KIRITIMATI),
    Case("locale C, ASCII terminal", environment=ASCII),
    Case("a locale that is absent", environment=ABSENT),
)


def library(folder: Path, seconds: int) -> Path:
    """Compile what moves the clock by so much. CalledProcessError where that cannot be."""
    made = folder / f"wall_clock_{seconds}.so"
    command = ["cc", "-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", f"-DOFFSET={seconds}"]
    subprocess.run([*command, "-o", str(made), str(HERE / "wall_clock.c")], check=True)
    return made


def environment(case: Case, clock: Path) -> dict[str, str]:
    """Return the environment of a run."""
    locale = [name for name in os.environ if name.startswith(("LC_", "LANG"))]
    kept = {name: value for name, value in os.environ.items() if name not in locale} if case.environment else os.environ
    return {**kept, "LD_PRELOAD": str(clock), **case.environment}


def moved(case: Case, environment: Mapping[str, str], now: datetime) -> bool:
    """Whether a child of a child sees the other date, and whether its waits still end."""
    told = (
        "import subprocess, sys, threading, time; time.sleep(0.01); threading.Event().wait(0.01);"
        "print(subprocess.check_output([sys.executable, '-c', 'import time; print(time.time())'], text=True))"
    )
    said = subprocess.run(
        [sys.executable, "-c", told], env=environment, capture_output=True, text=True, check=True, timeout=60
    ).stdout
    return abs(float(said) - now.timestamp() - case.offset(now)) < 60


def run(case: Case, folder: Path, arguments: list[str]) -> tuple[bool, str]:
    """Run the suite; return whether it passed, and its last line."""
    now = datetime.now(UTC)
    here = environment(case, library(folder, case.offset(now)))
    if not moved(case, here, now):
        return False, "the clock could not be moved"
    KEPT.mkdir(parents=True, exist_ok=True)
    log = KEPT / f"{''.join(c if c.isalnum() else '-' for c in case.name)}.log"
    command = [sys.executable, "-m", "pytest", *OPTIONS, *(arguments or TESTS)]
    with log.open("wb") as said:
        code = subprocess.run(
            command, cwd=ROOT, env=here, stdout=said, stderr=subprocess.STDOUT, check=False
        ).returncode
    lines = log.read_text("utf-8", "replace").splitlines()
    return code == 0, lines[-1].strip("= ") if lines else "it said nothing"


def main() -> None:
    console = Console(soft_wrap=True)
    passed = True
    with tempfile.TemporaryDirectory(prefix="dates-") as folder:
        for case in CASES:
            begun = time.monotonic()
            well, said = run(case, Path(folder), sys.argv[1:])
            passed &= well
            took = f"{time.monotonic() - begun:.0f} s"
            console.print(f"{case.name:<26} {'passed' if well else 'FAILED'}  {said}, {took}", highlight=False)
    sys.exit(not passed)


if __name__ == "__main__":
    main()
