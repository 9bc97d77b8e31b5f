"""Order, restoring, and the log: with steps that only write down what they did."""

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bewust.admin.steps import Choices, install, logging_to, status, uninstall
from bewust.errors import AdminError


class Noted:
    """A step whose state is whether its name is in `world`."""

    def __init__(self, world: list[str], name: str, error: Exception | None = None) -> None:
        self.world, self.name, self.error = world, name, error

    def done(self) -> str | None:
        return None if self.name in self.world else "not there"

    def do(self, back: ExitStack) -> None:
        if self.error:
            raise self.error
        if self.name not in self.world:
            self.world.append(self.name)
            back.callback(self.world.remove, self.name)

    def undo(self) -> None:
        if self.error:
            raise self.error
        if self.name in self.world:
            self.world.remove(self.name)


class Machine:
    log = Path("unused")
    choices = Choices()

    def __init__(self, chosen: Choices | None = None, found: Sequence[Noted] = (), refusal: str = "") -> None:
        self.found, self.refusal, self.purged = found, refusal, False

    def steps(self) -> Sequence[Noted]:
        return self.found

    def verify(self) -> str | None:
        if self.refusal:
            raise AdminError(self.refusal)
        return None

    def purge(self) -> None:
        self.purged = True


@given(st.integers(1, 6), st.integers(0, 6), st.sets(st.integers(0, 5)))
def test_all_or_what_was_there_before(count: int, failing: int, there: set[int]) -> None:
    world = [str(n) for n in sorted(there)]
    before = list(world)
    found = [Noted(world, str(n), OSError(28, "No space left", "f") if n == failing else None) for n in range(count)]
    if failing >= count:
        install(Machine(found=found))
        assert set(world) == set(before) | {str(n) for n in range(count)}
    else:
        with pytest.raises(AdminError, match=f"{failing}: f: No space left"):
            install(Machine(found=found))
        assert sorted(world) == sorted(before)


def test_a_refused_verification_restores_too() -> None:
    world: list[str] = []
    with pytest.raises(AdminError, match="nobody answers"):
        install(Machine(found=[Noted(world, "a"), Noted(world, "b")], refusal="nobody answers"))
    assert world == []


def test_taking_back_goes_on_where_a_step_fails_and_purges_only_when_none_did() -> None:
    world = ["a", "b", "c"]
    found = [Noted(world, "a"), Noted(world, "b", AdminError("b: stuck")), Noted(world, "c")]
    machine = Machine(found=found)
    assert uninstall(machine, purge=True) == ["b: stuck"]
    assert world == ["b"] and not machine.purged
    found[1].error = None
    assert uninstall(machine, purge=True) == [] and machine.purged


def test_the_status_names_each_step() -> None:
    world = ["a"]
    found = [Noted(world, "a"), Noted(world, "b")]
    assert status(Machine(found=found)) == {"a": None, "b": "not there"}


def test_one_file_has_the_log(tmp_path: Path) -> None:
    with logging_to(tmp_path / "log" / "admin.log"):
        install(Machine(found=[Noted([], "policies")]))
    lines = (tmp_path / "log" / "admin.log").read_text().splitlines()
    assert [line.split(" INFO ")[1] for line in lines] == [
        "policies: done", "verification: a handshake through the agent holds"
    ]  # fmt: skip
    assert not logging.getLogger("bewust.admin").handlers


def test_a_log_that_cannot_be_written_keeps_nobody_from_installing(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a file where a folder should be")
    with logging_to(tmp_path / "log" / "admin.log"):
        install(Machine())
