"""Values are set and put back, whatever was there and whatever happened meanwhile."""

import copy
from contextlib import ExitStack

import pytest

from bewust.admin.record import Record
from bewust.admin.windows.registry import Value, is_ours, read, restore, set_value
from bewust.errors import AdminError
from support.windows_registry import Place

KEY = r"SOFTWARE\Policies\Vendor\Browser"
WANTED = [Value(KEY, "Proxy", "ours"), Value(rf"{KEY}\Deep\Deeper", "Locked", 1)]


@pytest.fixture
def place() -> Place:
    return Place()


def test_what_was_not_there_is_gone_again_with_the_keys_we_made(place: Place) -> None:
    before = copy.deepcopy(place.registry.held)
    set_value(place, WANTED, ExitStack())
    assert [read(place.registry, value.key, value.name) for value in WANTED] == ["ours", 1]
    assert place.remembered >= len(WANTED)
    set_value(place, WANTED, ExitStack())
    restore(place, [KEY])
    assert place.registry.held == before
    assert (place.record.keys, place.record.laid_values) == ([], {})


def test_what_was_there_is_put_back_and_a_key_of_others_stays(place: Place) -> None:
    place.registry.put(KEY, "Proxy", "theirs")
    place.registry.put(KEY, "Other", 7)
    before = copy.deepcopy(place.registry.held)
    set_value(place, WANTED, ExitStack())
    set_value(place, [Value(KEY, "Proxy", "ours, by another choice")], ExitStack())
    assert is_ours(place.record, Value(KEY, "Proxy", "ours, by another choice"))
    restore(place, [KEY])
    assert place.registry.held == before


def test_what_somebody_changed_after_us_is_theirs(place: Place) -> None:
    set_value(place, WANTED, ExitStack())
    place.registry.put(KEY, "Proxy", "theirs")
    assert not is_ours(place.record, Value(KEY, "Proxy", "theirs"))
    restore(place, [KEY])
    assert place.registry.held[KEY] == {"Proxy": ("theirs", 1)}


def test_a_value_of_ours_whose_record_was_lost_is_taken_back_all_the_same(place: Place) -> None:
    set_value(place, WANTED, ExitStack())
    place.record = Record()
    set_value(place, WANTED, ExitStack())
    restore(place, [KEY])
    assert place.registry.held[KEY] == place.registry.held[rf"{KEY}\Deep\Deeper"] == {}, "keys are left, and empty"


def test_only_the_keys_that_are_named_are_taken_back(place: Place) -> None:
    set_value(place, [*WANTED, Value(KEY + "2", "Proxy", "ours")], ExitStack())
    restore(place, [KEY])
    assert place.registry.exists(KEY + "2") and not place.registry.exists(KEY)
    restore(place, [KEY + "2"])
    assert not place.registry.exists(r"SOFTWARE\Policies\Vendor")


@pytest.mark.parametrize("theirs", [None, "theirs"])
def test_a_failure_half_way_leaves_the_registry_as_it_was(place: Place, theirs: str | None) -> None:
    if theirs:
        place.registry.put(KEY, "Proxy", theirs)
    before = copy.deepcopy(place.registry.held)
    place.registry.failing = "Deeper"
    with pytest.raises(PermissionError), ExitStack() as back:
        set_value(place, WANTED, back)
    assert place.registry.held == before


def test_a_value_that_could_not_be_put_back_is_refused(place: Place) -> None:
    place.registry.put(KEY, "Proxy", "x")
    place.registry.held[KEY]["Proxy"] = (b"x", 3)
    with pytest.raises(AdminError, match=r"HKLM\\SOFTWARE\\Policies\\Vendor\\Browser\\Proxy: is of a type"):
        set_value(place, WANTED, ExitStack())
    assert place.registry.held[KEY] == {"Proxy": (b"x", 3)}
