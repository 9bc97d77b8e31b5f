"""Sealed reports -> files in a folder, such as a share: each once, whole, and the same whenever it is asked.

Belongs here: files and their names. Not here: what is in them (randomise), or when (daemon.app). The name, the
length and the time of a file tell the period and nothing of the person.
"""

import os
from collections.abc import Mapping
from datetime import UTC, datetime, time
from pathlib import Path

from bewust.errors import BewustError
from bewust.files import contents, replace
from bewust.statistics import formats
from bewust.statistics.counters import period_end, weeks_of
from bewust.statistics.formats import LocalReport, Report


class DeliveryError(BewustError, RuntimeError):
    """A report cannot be written: names the file, says why and what to do."""


def deliver(sealed: Mapping[str, str], folder: Path) -> list[Path]:
    """Write every report that is not there yet; return the new files. Raises DeliveryError.

    A file is made under another name and put in its place whole, so that whoever reads the folder
    never sees half a report. Its time is the end of its period, whenever it was written.
    """
    written = []
    for period, line in sorted(sealed.items()):
        target = folder / name_of(formats.decode(line))
        data = f"{line}\n".encode("ascii")
        try:
            if os.path.lexists(target):
                if contents(target) != data:
                    raise DeliveryError(f"{target}: holds something else under this name. Move it aside.")
                continue
            _write(target, data, period)
        except OSError as error:
            raise DeliveryError(
                f"{target}: cannot be written ({error.strerror}). Check the folder and its mode."
            ) from error
        written.append(target)
    return written


def name_of(report: Report) -> str:
    """Return the file name of a report: its period and its random number."""
    return f"bewust-{report.period}-{report.id}.ndjson"


def _write(target: Path, data: bytes, period: str) -> None:
    at = int(datetime.combine(period_end(period), time(), UTC).timestamp()) * 10**9
    replace(target, data, mode=None, synced=True, times=(at, at))


def describe(report: Report) -> list[str]:
    """Return what a report says, in sentences for the person whose workstation made it."""
    weeks = "one week" if weeks_of(report.period) == 1 else "four weeks"
    lines = [
        f"This is all that leaves the workstation for the period {report.period} ({weeks}).",
        f"It answers {formats.WIDTH} questions with yes or no: was there any use of AI; which of these services "
        f"(at most {formats.BOUNDS['service']} of them can be a yes); did a page of the organisation go to a "
        "translator; was a reminder shown.",
        "No name, machine, address, day, hour or number of times is in it. Its id is drawn at random and used once.",
    ]
    if not isinstance(report, LocalReport):
        return [
            *lines,
            "The answers are split into two shares, each locked for one keeper. One share alone is a row of random "
            "numbers; only the sum over many workstations is ever opened, with noise of both keepers in it.",
        ]
    for block, cells in formats.report_cells(report.services).items():
        made = report.blocks[block]
        numerator, denominator = map(int, made.flip.split("/"))
        named = [cell for cell, bit in zip(cells, made.bits, strict=True) if bit == "1" and cell]
        lines.append(
            f"{block}: reads yes for {', '.join(named) or 'nothing'}. Each answer was turned round by chance in "
            f"{100 * numerator / denominator:.0f} of 100 cases, so nobody can know which of them are true."
        )
    return lines
