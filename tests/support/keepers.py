"""What the tests of the keepers share: reports sealed to two keys, and files of them."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from bewust.statistics import formats
from bewust.statistics.formats import SplitReport
from bewust.statistics.keepers.keyfile import KeeperKey
from bewust.statistics.secret_sharing import seal_report
from support.secret_sharing_samples import bits, draft

PASSPHRASE = "five words nobody else knows"
posix = pytest.mark.skipif(os.name != "posix", reason="file modes are of POSIX")


def sealed(
    keys: Sequence[KeeperKey], number: int = 0, ones: Sequence[int] = (), period: str = "2026-W47"
) -> SplitReport:
    return seal_report(draft(number, period), bits(*ones), [key.private.public_key() for key in keys])


def batch(keys: Sequence[KeeperKey], size: int = 60) -> list[SplitReport]:
    return [sealed(keys, number, (0, 1 + number % 3)) for number in range(size)]


def write(folder: Path, found: Sequence[SplitReport]) -> Path:
    """A file a report, as workstations write them."""
    folder.mkdir(exist_ok=True)
    for report in found:
        (folder / f"bewust-{report.period}-{report.id}.ndjson").write_text(formats.encode(report) + "\n")
    return folder


def estimates(opened: formats.Opened) -> list[int]:
    return [estimate for block in opened.blocks.values() for estimate in block.estimates]
