"""TOML becomes services, or one error that names the file, the entry and the remedy."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bewust.catalogue import loading
from bewust.catalogue.entries import CatalogueError
from bewust.catalogue.loading import load, parse
from bewust.model import Level, Service
from support.catalogue_entries import SERVICE, SIGNATURE, WHOLE, one


def overlay(folder: Path, **files: str | bytes) -> Path:
    (folder / "services").mkdir(exist_ok=True)
    for name, content in files.items():
        data = content if isinstance(content, bytes) else content.encode()
        (folder / "services" / f"{name}.toml").write_bytes(data)
    return folder


def by_id(services: tuple[Service, ...]) -> dict[str, Service]:
    return {service.id: service for service in services}


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_signature_knows_the_line_of_its_heading(newline: str) -> None:
    text = (
        "# [[service.signature]] in a comment does not count\n\n"
        + WHOLE
        + "\n\n\n"
        + SIGNATURE.replace('"a"', '"b"').replace("[[service.signature]]", "[[ service . signature ]] # x")
    ).replace("\n", newline)
    lines = [signature.line for signature in one(text).signatures]
    assert lines == [n for n, line in enumerate(text.split(newline), 1) if line.startswith("  [[")]


def test_signatures_written_inline_get_no_line_rather_than_a_wrong_one() -> None:
    inline = 'signature = [{ id = "a", level = "use", hosts = ["a.example"] }]\n'
    services = parse(SERVICE + inline + WHOLE.replace('"s"', '"t"'), "v.toml")
    assert [service.signatures[0].line for service in services] == [0, 0]


# The administrator's folder.


def test_an_overlay_adds_a_service(tmp_path: Path) -> None:
    services = by_id(load(overlay(tmp_path, ours=WHOLE.replace('"s"', '"zz-own"'))))
    assert set(services) == {*by_id(load()), "zz-own"}
    assert list(services) == sorted(services)
    assert services["zz-own"].signatures[0].file == str(tmp_path / "services" / "ours.toml")


@pytest.mark.parametrize("name", ["openai", "ours"])
def test_an_overlay_overrides_only_the_keys_it_names(tmp_path: Path, name: str) -> None:
    """Also from a file of the same name as ours."""
    ours = by_id(load())["chatgpt"]
    theirs = by_id(load(overlay(tmp_path, **{name: '[[service]]\nid = "chatgpt"\nname = "Chat"\ngap = "5m"\n'})))[
        "chatgpt"
    ]
    assert (theirs.name, theirs.gap) == ("Chat", 300)
    assert (theirs.vendor, theirs.evidence, theirs.signatures) == (ours.vendor, ours.evidence, ours.signatures)


def test_an_overlay_replaces_signatures_by_id_and_adds_others(tmp_path: Path) -> None:
    text = '[[service]]\nid = "chatgpt"\n' + SIGNATURE.replace('"a"', '"prompt"') + SIGNATURE.replace('"a"', '"extra"')
    ours = by_id(load())["chatgpt"].signatures
    theirs = by_id(load(overlay(tmp_path, ours=text)))["chatgpt"].signatures
    assert [signature.id for signature in theirs] == [*(signature.id for signature in ours), "extra"]
    changed = {signature.id: signature.hosts for signature in theirs if signature not in ours}
    assert changed == {"prompt": ("a.example",), "extra": ("a.example",)}


def test_what_is_not_a_toml_file_in_services_is_passed_over(tmp_path: Path) -> None:
    overlay(tmp_path)
    (tmp_path / "services" / "notes.txt").write_text("[[")
    (tmp_path / "other.toml").write_text("[[")
    assert load(tmp_path) == load()


def test_a_folder_without_services_changes_nothing(tmp_path: Path) -> None:
    assert load(tmp_path) == load(tmp_path / "absent") == load(None)


@pytest.mark.parametrize("text", ["", "\ufeff", "\ufeff" + WHOLE])
def test_an_empty_file_and_the_mark_that_notepad_writes_are_fine(tmp_path: Path, text: str) -> None:
    assert len(load(overlay(tmp_path, ours=text))) == len(load()) + ("[[" in text)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"\xff\xfe", "is not UTF-8"),
        (b"#" * (1 << 20) + b"\n", "is larger than 1 MiB"),
        (b"[[", "is not TOML"),
        (b'[[service]]\nid = "chatgpt"\nsignature = [1]', "signature without an id"),
        (b'[[service]]\nid = "chatgpt"\nsignature = { id = "x" }', "signature without an id"),
        (b'[[service]]\nid = "new"', "missing required field"),
        (b'[[service]]\nid = "chatgpt"\nvendor = 1', "Expected `str`"),
    ],
)
def test_a_broken_file_of_the_overlay_is_named_with_its_path(tmp_path: Path, content: bytes, problem: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        load(overlay(tmp_path, ours=content))
    assert caught.value.file == str(tmp_path / "services" / "ours.toml")
    assert problem in caught.value.problem


def test_two_files_of_a_folder_with_one_id_are_both_named(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"b\.toml: service 's': is there twice, also in .*a\.toml"):
        load(overlay(tmp_path, a=WHOLE, b=WHOLE))


@pytest.mark.parametrize("make", [Path.mkdir, getattr(os, "mkfifo", None), lambda path: path.symlink_to("absent")])
def test_what_is_no_file_is_an_error_and_is_not_waited_for(tmp_path: Path, make: Callable[[Path], None] | None) -> None:
    if make is None:
        pytest.skip("there are no named pipes here")
    make(overlay(tmp_path) / "services" / "strange.toml")
    with pytest.raises(CatalogueError, match=r"strange\.toml: file: is no ordinary file"):
        load(tmp_path)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_an_error(tmp_path: Path) -> None:
    (overlay(tmp_path, ours=WHOLE) / "services" / "ours.toml").chmod(0)
    with pytest.raises(CatalogueError, match=r"ours\.toml: file: cannot be read"):
        load(tmp_path)


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path: Path) -> None:
    class Closed(type(tmp_path)):  # type: ignore[misc]
        def iterdir(self) -> Iterator[Path]:
            raise PermissionError(13, "Permission denied")

    with pytest.raises(CatalogueError, match=r"services: folder: cannot be read \(Permission denied\)"):
        load(Closed(overlay(tmp_path)))


# Any text, any bytes.

TOMLISH = st.lists(
    st.sampled_from(
        [*WHOLE.splitlines(keepends=True), "[service]\n", "[[service]]\n", "signature = [1]\n", "id = 1\n",
         "gap = '1s'\n",
         "response = { type = 'x', markers = ['a=b'] }\n", "query = { a = false }\n", "path = '*'\n", "[", "'", "\n"]
    ),
    max_size=16,
).map("".join)  # fmt: skip


@given(st.one_of(st.text(), TOMLISH))
@example("service = []")
@example("a.b.c = {}")
def test_any_text_gives_services_or_one_error(text: str) -> None:
    try:
        assert all(service.signatures for service in parse(text, "v.toml"))
    except CatalogueError as error:
        assert error.file == "v.toml"


@given(content=st.one_of(st.binary(), TOMLISH.map(str.encode)))
def test_any_bytes_as_an_overlay_give_services_or_one_error(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = overlay(tmp_path_factory.getbasetemp(), ours=content)
    try:
        assert len(load(folder)) >= len(load())
    except CatalogueError as error:
        assert error.file == str(folder / "services" / "ours.toml")


def test_the_levels_of_the_shipped_rules_are_all_there() -> None:
    assert {signature.level for service in loading.load() for signature in service.signatures} == set(Level)
