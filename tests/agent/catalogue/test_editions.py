"""The catalogue in force is one that may be believed, whatever happened to the folder that keeps it."""

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from bewust import __version__
from bewust.catalogue import editions
from bewust.catalogue.editions import POINTER, Pointer
from bewust.catalogue.signed_file import SUFFIX, BundleError
from bewust.keys import key_id, key_text
from bewust.state_files import CATALOGUE
from support.bundles import NEW, PRIVATE, SHIPPED, STRANGER, WITH_NEW, files_of, signed

KEYS = (key_text(PRIVATE.public_key()),)
FIRST, SECOND = signed(version="1"), signed(made="2026-12-02T10:00:00Z", version="2")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    made = tmp_path / "state"
    made.mkdir(mode=0o700)
    return made


def imported(state: Path, *bundles: bytes) -> None:
    for data in bundles:
        editions.store_bundle(state, data, editions.current(state))


def version(state: Path) -> str:
    return editions.active_edition(state, KEYS).version


def test_without_an_import_it_is_the_shipped_one(state: Path) -> None:
    for each in (
        editions.active_edition(None, ()),
        editions.active_edition(state, ()),
        editions.active_edition(state / "gone", KEYS),
    ):
        assert (each.origin, each.version, each.services, each.problem) == ("shipped", __version__, None, None)
        assert each.description == f"shipped with version {__version__}, reviewed until {each.reviewed}"


def test_what_was_imported_is_in_force_and_says_of_when_and_whose_it_is(state: Path) -> None:
    imported(state, FIRST)
    found = editions.active_edition(state, KEYS)
    assert (found.origin, found.problem, found.services) == ("imported", None, WITH_NEW)
    assert found.description == (
        f"imported: 1, made 2026-12-01, reviewed until {found.reviewed}, key {key_id(PRIVATE.public_key())}"
    )
    assert found.path is not None and editions.services_of(found.path) == WITH_NEW


@pytest.mark.parametrize("ahead", [0, 400 * 86400], ids=["a clock that is right", "one that was set after"])
def test_two_are_kept_and_the_ones_before_are_removed_when_nobody_can_be_using_them(
    state: Path, monkeypatch: pytest.MonkeyPatch, ahead: float
) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + ahead)
    third = signed(made="2026-12-03T10:00:00Z", version="3")
    imported(state, FIRST, SECOND, third)
    assert version(state) == "3"
    assert len(files_of(state)) == 4, "the first is left alone for an hour"
    for path in (state / CATALOGUE).iterdir():
        os.utime(path, (0, 0))
    imported(state, third)
    assert len(files_of(state)) == 3
    assert editions.current(state).previous == editions._name(SECOND).removesuffix(SUFFIX)


def test_the_same_one_twice_is_not_its_own_predecessor(state: Path) -> None:
    imported(state, FIRST, SECOND)
    before = files_of(state)
    imported(state, SECOND)
    assert files_of(state) == before


@pytest.mark.skipif(os.name != "posix", reason="file modes are of POSIX")
def test_everything_is_for_the_owner_only(state: Path) -> None:
    before = os.umask(0)
    try:
        imported(state, FIRST, SECOND)
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o077 for path in state.rglob("*")} == {0}


# What may have happened to the folder.


def current(state: Path) -> Path:
    name = editions.current(state).current
    assert name is not None
    return editions.bundle_path(state, name)


def edited(state: Path) -> None:
    data = bytearray(current(state).read_bytes())
    data[-200] ^= 1
    current(state).write_bytes(data)


def written(data: bytes) -> Callable[[Path], object]:
    return lambda state: (state / CATALOGUE / POINTER).write_bytes(data)


def a_folder_instead(state: Path) -> None:
    (state / CATALOGUE / POINTER).unlink()
    (state / CATALOGUE / POINTER).mkdir()


def piped(path: Path) -> None:
    path.unlink()
    os.mkfifo(path) if os.name == "posix" else path.write_bytes(b"")


SPOILT: dict[str, tuple[Callable[[Path], object], str]] = {
    "a changed byte": (edited, "its signature fits no key"),
    "cut short": (lambda state: current(state).write_bytes(FIRST[:1000]), "its signature fits no key"),
    "empty": (lambda state: current(state).write_bytes(b""), "is no bundle, or was cut short"),
    "gone": (lambda state: current(state).unlink(), "cannot be read"),
    "of somebody else": (lambda state: current(state).write_bytes(signed(private=STRANGER)), "fits no key"),
    "half a pointer": (written(b'{"current":'), "was damaged"),
    "an empty pointer": (written(b""), "was damaged"),
    "a pointer elsewhere": (written(b'{"current":"../../etc/passwd"}'), "it names no bundle"),
    "a pointer to nothing": (written(msgspec.json.encode(Pointer("0" * 64))), "cannot be read"),
    "a pipe as pointer": (lambda state: piped(state / CATALOGUE / POINTER), "was damaged"),
    "a pipe as bundle": (lambda state: piped(current(state)), "is no bundle, or was cut short"),
    "a folder as pointer": (a_folder_instead, "cannot be read"),
}


@pytest.mark.parametrize(("spoil", "says"), SPOILT.values(), ids=list(SPOILT))
def test_what_cannot_be_believed_is_not_used_and_it_says_so(
    state: Path, spoil: Callable[[Path], object], says: str
) -> None:
    imported(state, FIRST)
    spoil(state)
    found = editions.active_edition(state, KEYS)
    assert (found.origin, found.services, found.path) == ("shipped", None, None)
    assert found.problem is not None and says in found.problem
    assert found.problem.startswith("the imported catalogue is not used: ")
    assert found.problem.endswith("Until then the shipped catalogue is in force.")


@pytest.mark.parametrize("keys", [(), (key_text(STRANGER.public_key()),)], ids=["none", "another"])
def test_a_key_that_the_policy_no_longer_lists_is_no_longer_believed(state: Path, keys: tuple[str, ...]) -> None:
    imported(state, FIRST)
    problem = editions.active_edition(state, keys).problem
    assert problem is not None and "its signature fits no key of [catalogue] keys" in problem


def test_a_bundle_is_read_again_under_its_name_only_where_it_is_the_same(state: Path) -> None:
    imported(state, FIRST)
    current(state).write_bytes(SECOND)
    with pytest.raises(BundleError, match="is not what its name says"):
        editions.services_of(current(state))


def test_importing_again_mends_it(state: Path) -> None:
    imported(state, FIRST)
    edited(state)
    imported(state, FIRST)
    assert version(state) == "1"


class PowerCutError(BaseException):
    pass


@pytest.mark.parametrize("step", range(11))
def test_an_import_cut_off_between_any_two_steps_leaves_the_old_or_the_new(
    state: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported(state, FIRST)
    done = 0

    def cut[**P, R](does: Callable[P, R]) -> Callable[P, R]:
        def counted(*arguments: P.args, **named: P.kwargs) -> R:
            nonlocal done
            if done == step:
                raise PowerCutError
            done += 1
            return does(*arguments, **named)

        return counted

    with monkeypatch.context() as patch:
        for name in ("open", "fsync", "replace"):
            patch.setattr(os, name, cut(getattr(os, name)))
        with pytest.raises(PowerCutError):
            imported(state, SECOND)
    found = editions.active_edition(state, KEYS)
    assert (found.problem, found.version) == (None, "1" if step <= 9 else "2"), "the tenth is the rename that counts"
    imported(state, SECOND)
    assert version(state) == "2"


def test_a_full_disk_is_one_clear_error_and_changes_nothing_in_force(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    imported(state, FIRST)
    before = files_of(state)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(BundleError, match=r"cannot be written \(No space left on device\)\. Make room"):
            imported(state, SECOND)
    assert files_of(state) == before


# What this program can make of it.


def test_a_program_with_newer_reviews_than_the_import_says_so(state: Path) -> None:
    old = {name: text.replace("reviewed = 2026", "reviewed = 2025") for name, text in SHIPPED.items()}
    imported(state, signed(old))
    said = editions.outdated(editions.active_edition(state, KEYS))
    assert said is not None and "reviewed until 2025-" in said and "bewust catalogue rollback --shipped" in said
    imported(state, FIRST)
    assert editions.outdated(editions.active_edition(state, KEYS)) is None
    assert editions.outdated(editions.shipped()) is None


@pytest.mark.parametrize(
    ("files", "error"),
    [({}, "has no folder services"), ({"x.toml": "x = ["}, "x.toml: file: is not TOML"), ({"x.toml": NEW}, None)],
    ids=["none", "a mistake", "whole"],
)
def test_only_a_whole_catalogue_is_taken_from_a_folder(
    tmp_path: Path, files: dict[str, str], error: str | None
) -> None:
    (tmp_path / "services").mkdir()
    for name, text in files.items():
        (tmp_path / "services" / name).write_text(text)
    if error is None:
        assert editions.complete_texts(tmp_path, ("nl",)) == files
        assert editions.complete_texts(None, ("nl",)) == SHIPPED
    else:
        with pytest.raises(ValueError, match=error.replace("[", r"\[")):
            editions.complete_texts(tmp_path, ("nl",))


# For `bewust prove`.


def test_nothing_but_catalogues_is_kept_there(state: Path) -> None:
    imported(state, FIRST, SECOND)
    assert editions.unexpected_files(state / CATALOGUE) == []
    (state / CATALOGUE / "visits.log").write_text("a.example")
    (state / CATALOGUE / f"{'0' * 64}{SUFFIX}").write_bytes(FIRST)
    assert [Path(said.split(": ")[0]).name for said in editions.unexpected_files(state / CATALOGUE)] == [
        f"{'0' * 64}{SUFFIX}",
        "visits.log",
    ]
    (state / CATALOGUE / POINTER).write_text('{"current": null, "visited": "a.example"}')
    assert any(POINTER in said for said in editions.unexpected_files(state / CATALOGUE))


def test_a_file_instead_of_the_folder_is_strange(state: Path) -> None:
    (state / CATALOGUE).write_text("x")
    assert len(editions.unexpected_files(state / CATALOGUE)) == 1
    with pytest.raises(BundleError, match="cannot be"):
        imported(state, FIRST)


# The administrator's work in the folder of a service.

root = pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can act as another account")
SERVICE = 54321  # an account that owns nothing here


@pytest.fixture
def of_service() -> Iterator[Path]:
    """A state folder that belongs to a service, where its account gets to; it does not to pytest's own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        made = Path(folder) / "state"
        made.mkdir(mode=0o700)
        os.chown(made, SERVICE, SERVICE)
        yield made


@root
def test_what_an_administrator_imports_is_the_services_own(of_service: Path) -> None:
    with editions.as_owner(of_service):
        imported(of_service, FIRST)
    assert os.geteuid() == 0
    assert {(path.stat().st_uid, path.stat().st_gid) for path in of_service.rglob("*")} == {(SERVICE, SERVICE)}


@root
@pytest.mark.parametrize("planted", [CATALOGUE, f"{CATALOGUE}/{POINTER}.new"])
def test_a_link_that_the_service_planted_reaches_nothing_of_the_administrator(of_service: Path, planted: str) -> None:
    mine = of_service.parent / "mine"
    mine.mkdir(mode=0o700)
    (mine / "precious").write_text("as it was")
    (of_service / planted).parent.mkdir(exist_ok=True)
    os.chown((of_service / planted).parent, SERVICE, SERVICE)
    (of_service / planted).symlink_to(mine if planted == CATALOGUE else mine / "precious")
    with contextlib.suppress(BundleError), editions.as_owner(of_service):
        imported(of_service, FIRST)
    assert files_of(mine) == {"precious": b"as it was"}
    assert (of_service / CATALOGUE / POINTER).is_file() == (planted != CATALOGUE)
    assert (os.geteuid(), os.getegid()) == (0, 0)


@root
def test_the_rights_come_back_after_an_error(state: Path) -> None:
    os.chown(state, SERVICE, SERVICE)
    groups = os.getgroups()
    with pytest.raises(PowerCutError), editions.as_owner(state):
        assert (os.geteuid(), os.getegid(), os.getgroups()) == (SERVICE, SERVICE, [SERVICE])
        raise PowerCutError
    assert (os.geteuid(), os.getegid(), os.getgroups()) == (0, 0, groups)


def test_ones_own_folder_is_written_as_oneself(state: Path) -> None:
    with editions.as_owner(state):
        imported(state, FIRST)
    assert version(state) == "1"
