"""Ours below, the organisation's folder over it, what the platform manages on top; each key has one origin."""

from pathlib import Path
from typing import Any

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from bewust.config import layers, platform_policy
from bewust.config.platform_policy import Layer, LayerError

MANAGED = Layer("registry", {"language": "fy", "reminders": {"silent": 1}}, loose=True)


def folder(at: Path, **texts: str) -> Path:
    """Write policy.toml and, for other names, files of policy.d."""
    (at / "policy.d").mkdir(parents=True)
    for name, text in texts.items():
        file = at / "policy.toml" if name == "policy" else at / "policy.d" / f"{name}.toml"
        file.write_text(text, encoding="utf-8")
    return at


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The machine's own folder, on a machine whose platform manages something."""
    place = tmp_path / "machine"
    monkeypatch.setattr(platform_policy, "folder", lambda: place)
    monkeypatch.setattr(platform_policy, "layers", lambda: (MANAGED,))
    return place


def names(overlay: Path | None) -> list[str]:
    return [layer.name for layer in layers.read_layers(overlay)]


def test_files_count_in_the_order_of_their_names(tmp_path: Path) -> None:
    place = folder(tmp_path, policy="", b20="", a10="", c="")
    parts = [str(place / "policy.d" / f"{name}.toml") for name in ("a10", "b20", "c")]
    assert names(place) == ["policy.toml", str(place / "policy.toml"), *parts]


def test_only_whole_toml_files_of_policy_d_are_read(tmp_path: Path) -> None:
    place = folder(tmp_path, a="language = 'en'")
    for name in (".b.toml", "c.toml.dpkg-old", "d.txt"):
        (place / "policy.d" / name).write_text("[[")
    (place / "policy.d" / ".#a.toml").symlink_to("somebody@here")  # how Emacs says that it has a file open
    assert names(place) == ["policy.toml", str(place / "policy.d" / "a.toml")]


def test_a_file_is_a_layer_by_itself(tmp_path: Path) -> None:
    place = folder(tmp_path, policy="", a="")
    assert names(place / "policy.toml") == ["policy.toml", str(place / "policy.toml")]
    assert names(None) == ["policy.toml"]


def test_what_the_platform_manages_counts_over_the_machines_own_folder_and_over_no_other(
    machine: Path, tmp_path: Path
) -> None:
    assert names(machine) == ["policy.toml", "registry"], "the folder need not exist"
    folder(machine, policy="", a="")
    assert names(machine)[-1] == "registry"
    assert "registry" not in names(folder(tmp_path / "theirs", policy="", a=""))
    assert "registry" not in names(machine / "policy.toml")


def test_a_copy_of_the_machines_folder_has_the_same_layers(machine: Path, tmp_path: Path) -> None:
    data = layers.serialise(machine)
    assert data is not None
    copy = folder(tmp_path / "copy", policy="")
    (copy / layers.KEPT).write_bytes(data)
    assert layers.read_layers(copy)[-1] == MANAGED
    assert layers.serialise(copy) is layers.serialise(None) is None


def test_a_damaged_copy_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / layers.KEPT).write_text("[")
    with pytest.raises(LayerError, match=r"managed.json: is damaged"):
        layers.read_layers(tmp_path)


@pytest.mark.parametrize("name", ["policy.toml", "policy.d/x.toml", "policy.d"])
def test_a_link_to_nowhere_is_no_empty_policy(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).symlink_to("gone")
    with pytest.raises(LayerError, match=f"{name}: cannot be read"):
        layers.read_layers(tmp_path)


def test_a_policy_d_that_is_a_file_is_no_empty_one(tmp_path: Path) -> None:
    (tmp_path / "policy.d").write_text("")
    with pytest.raises(LayerError, match=r"policy.d: cannot be read"):
        layers.read_layers(tmp_path)


# Laid over each other.

TABLES: st.SearchStrategy[dict[str, Any]] = st.recursive(
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 3), max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("abc"), st.one_of(st.integers(0, 3), inner), max_size=3),
)


@given(TABLES, TABLES)
def test_a_layer_changes_the_keys_it_has_and_no_others(below: dict[str, Any], above: dict[str, Any]) -> None:
    result = dict(layers.leaves(layers.merge(below, above)))
    wanted = dict(layers.leaves(above))
    assert result.items() >= wanted.items()
    for key, value in result.items():
        assert key in wanted or dict(layers.leaves(below))[key] == value


@given(st.lists(TABLES, min_size=1, max_size=4))
def test_every_key_comes_from_the_last_layer_that_has_it(tables: list[dict[str, Any]]) -> None:
    found = [Layer(str(n), table) for n, table in enumerate(tables)]
    table: dict[str, Any] = {}
    for layer in found:
        table = layers.merge(table, layer.table)
    for key, value in layers.leaves(table):
        assert dict(layers.leaves(found[int(layers.origin(found, key))].table))[key] == value


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=4), st.integers(0, 9), max_size=3))
def test_a_dotted_key_can_be_written_in_a_file(table: dict[str, int]) -> None:
    written = "\n".join(f"{key} = {value}" for key, value in layers.leaves({"t": table}))
    assert tomli.loads(written).get("t", {}) == table
