"""Fixtures that several tests of the agent share."""

from pathlib import Path

import pytest

from bewust.statistics.keepers import keyfile
from bewust.statistics.keepers.keyfile import KeeperKey
from support.keepers import PASSPHRASE


@pytest.fixture
def keys(tmp_path: Path) -> tuple[KeeperKey, KeeperKey]:
    """The keys of two keepers, each in a folder of its own."""
    for name in ("security", "council"):
        (tmp_path / name).mkdir()
    made = [keyfile.new_key(name, PASSPHRASE, tmp_path / name / "key.json") for name in ("security", "council")]
    return made[0], made[1]
