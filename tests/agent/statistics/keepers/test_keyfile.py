"""A key opens for its passphrase only; a batch is added up once, and its ledger says so for ever."""

import os
import stat
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from bewust.errors import BewustError
from bewust.keys import key_text
from bewust.statistics import formats
from bewust.statistics.formats import BLOCKS, SplitReport
from bewust.statistics.keepers import keyfile, sums
from bewust.statistics.keepers.keyfile import KeeperError, KeeperKey
from bewust.statistics.keepers.sums import publish_sum, sum_batch, tally
from support.keepers import PASSPHRASE, batch, posix, sealed

# Keys.


@posix
def test_a_new_key_and_its_ledger_are_for_their_owner_only(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        made = keyfile.new_key("council", PASSPHRASE, tmp_path / "key.json")
    finally:
        os.umask(before)
    assert [(path.name, stat.S_IMODE(path.stat().st_mode)) for path in sorted(tmp_path.iterdir())] == [
        ("key.json", 0o600),
        ("key.json.ledger", 0o600),
    ]
    assert "BEGIN ENCRYPTED PRIVATE KEY" in made.path.read_text()
    loaded = keyfile.load_key(made.path, PASSPHRASE)
    assert (loaded.name, loaded.id) == ("council", made.id)
    assert loaded.private.private_bytes_raw() == made.private.private_bytes_raw()


@pytest.mark.parametrize("there", ["key.json", "key.json.ledger"])
def test_nothing_is_overwritten_by_a_new_key(tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_text("of value")
    with pytest.raises(BewustError, match=f"{there}: is there already, and is never overwritten"):
        keyfile.new_key("council", PASSPHRASE, tmp_path / "key.json")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(there, "of value")]


@pytest.mark.parametrize(
    ("name", "passphrase", "error"),
    [
        ("", PASSPHRASE, "'' is no name"),
        ('a"\nb', PASSPHRASE, "is no name for a keeper"),
        ("council", "short", "shorter than 16 characters"),
        ("council", "abababababababababab", "repeats a few characters"),
    ],
)
def test_a_key_without_a_usable_name_or_passphrase_is_not_made(
    tmp_path: Path, name: str, passphrase: str, error: str
) -> None:
    with pytest.raises(BewustError, match=error):
        keyfile.new_key(name, passphrase, tmp_path / "key.json")
    assert list(tmp_path.iterdir()) == []


def test_a_key_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(BewustError, match=r"key.json: cannot be written \(No such file or directory\)\. Make room"):
        keyfile.new_key("council", PASSPHRASE, tmp_path / "gone" / "key.json")


def changed(path: Path, **fields: object) -> None:
    path.write_bytes(msgspec.json.encode({**msgspec.json.decode(path.read_bytes()), **fields}))


@pytest.mark.parametrize(
    ("spoil", "passphrase", "error"),
    [
        pytest.param(lambda path: None, "another passphrase", "The passphrase is wrong, or the file was", id="wrong"),
        pytest.param(lambda path: None, "", "The passphrase is wrong, or the file was", id="no passphrase"),
        pytest.param(lambda path: path.unlink(), PASSPHRASE, r"cannot be read \(No such", id="gone"),
        pytest.param(lambda path: path.write_bytes(b"\xff"), PASSPHRASE, "is no key of a keeper", id="no text"),
        pytest.param(lambda path: changed(path, schema="x"), PASSPHRASE, "is no key of a keeper", id="something else"),
        pytest.param(lambda path: changed(path, private="x"), PASSPHRASE, "has no passphrase", id="no encrypted key"),
        pytest.param(lambda path: changed(path, private="ENCRYPTED"), PASSPHRASE, "does not open", id="damaged"),
        pytest.param(lambda path: changed(path, id="0" * 16), PASSPHRASE, "does not fit its own id", id="id"),
        pytest.param(lambda path: changed(path, name="../x"), PASSPHRASE, "does not fit its own", id="name"),
        pytest.param(
            lambda path: changed(path, public=key_text(X25519PrivateKey.generate().public_key())),
            PASSPHRASE,
            "does not fit",
            id="public",
        ),
    ],
)
def test_a_key_that_cannot_be_used_is_one_clear_error(
    keys: tuple[KeeperKey, KeeperKey], spoil: Callable[[Path], None], passphrase: str, error: str
) -> None:
    spoil(keys[0].path)
    with pytest.raises(BewustError, match=f"key.json: .*{error}"):
        keyfile.load_key(keys[0].path, passphrase)


# The ledger.


def seal(found: Sequence[SplitReport], key: KeeperKey) -> bytes:
    return publish_sum(tally(found, key), key)[0]


@posix
def test_a_batch_is_added_up_once_and_the_same_bytes_come_again(keys: tuple[KeeperKey, KeeperKey]) -> None:
    found = batch(keys)
    first, again = publish_sum(tally(found, keys[0]), keys[0])
    assert not again
    loaded = keyfile.load_key(keys[0].path, PASSPHRASE)
    for _ in range(3):
        assert publish_sum(tally(found[::-1], loaded), loaded) == (first, True)
    assert stat.S_IMODE(loaded.ledger.stat().st_mode) == 0o600
    assert sum_batch(found, loaded) != formats.decode_sum(first), "without the ledger the noise is drawn anew"


def test_another_batch_of_a_period_is_refused_and_nothing_is_lost(keys: tuple[KeeperKey, KeeperKey]) -> None:
    found = batch(keys)
    first, ledger = seal(found, keys[0]), keys[0].ledger.read_bytes
    before = ledger()
    for other in (found[1:], [*found, sealed(keys, 99)]):
        with pytest.raises(
            KeeperError, match=r"2026-W47 was added up before, from other reports .* exactly those reports"
        ):
            seal(other, keys[0])
    assert (ledger(), seal(found, keys[0])) == (before, first)
    later = seal([sealed(keys, n, period="2026-W48") for n in range(50)], keys[0])
    assert later != first
    assert seal(found, keys[0]) == first, "after another period"


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        pytest.param(lambda path: path.unlink(), r"ledger: is not there", id="gone"),
        pytest.param(lambda path: path.write_text("{"), "is no ledger", id="cut short"),
        pytest.param(lambda path: changed(path, keeper="0" * 16), "is the ledger of key '0000", id="of another key"),
    ],
)
def test_a_ledger_that_cannot_be_used_is_never_taken_for_an_empty_one(
    keys: tuple[KeeperKey, KeeperKey], spoil: Callable[[Path], None], error: str
) -> None:
    found = batch(keys)
    seal(found, keys[0])
    spoil(keys[0].ledger)
    with pytest.raises(BewustError, match=error):
        seal(found, keys[0])


def test_a_sum_that_cannot_be_remembered_is_not_given(keys: tuple[KeeperKey, KeeperKey]) -> None:
    keys[0].ledger.with_name(f"{keys[0].ledger.name}.new").mkdir()
    before = keys[0].ledger.read_bytes()
    with pytest.raises(BewustError, match=r"key\.json\.ledger: cannot be written"):
        seal(batch(keys), keys[0])
    assert keys[0].ledger.read_bytes() == before


def test_two_runs_at_once_draw_the_noise_once(
    keys: tuple[KeeperKey, KeeperKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    added = tally(batch(keys), keys[0])
    refused = []

    def meanwhile(bound: int, epsilon: Fraction, cells: int) -> list[int]:
        with pytest.raises(BewustError, match=r"key\.json: another run uses this key") as error:
            publish_sum(added, keys[0])
        refused.append(error)
        return [0] * cells

    monkeypatch.setattr(sums, "noise", meanwhile)
    first = publish_sum(added, keys[0])
    assert len(refused) == len(BLOCKS)
    assert publish_sum(added, keys[0]) == (first[0], True)
