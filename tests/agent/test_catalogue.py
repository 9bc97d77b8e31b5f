"""TOML becomes services, or one error that names the file, the entry and the remedy."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bewust import catalogue
from bewust.catalogue import CatalogueError, glob, load, normalise_host, parse, parse_duration, parse_marker
from bewust.model import Context, Level, Marker, Service

SERVICE = """
[[service]]
id = "s"
name = "S"
vendor = "V"
context = "search"
evidence = "invented"
reviewed = 2026-01-01
"""
SIGNATURE = """
  [[service.signature]]
  id = "a"
  level = "use"
  hosts = ["a.example"]
"""
WHOLE = SERVICE + SIGNATURE


def one(text: str, **options: Any) -> Service:
    (service,) = parse(text, "v.toml", **options)
    return service


def overlay(folder: Path, **files: str | bytes) -> Path:
    (folder / "services").mkdir(exist_ok=True)
    for name, content in files.items():
        data = content if isinstance(content, bytes) else content.encode()
        (folder / "services" / f"{name}.toml").write_bytes(data)
    return folder


def by_id(services: tuple[Service, ...]) -> dict[str, Service]:
    return {service.id: service for service in services}


def test_an_entry_becomes_a_service_with_all_its_facts() -> None:
    service = one(
        SERVICE
        + """
embedded = true
gap = "90s"
aliases = ["old-name"]
  [[service.signature]]
  id = "inline"
  level = "use"
  hosts = ["a.example", "*.b.example", "a.example"]
  methods = ["get"]
  path = "/s*?.x"
  query = { q = "?*", udm = false }
  headers = { Origin = "https://*" }
  websocket = false
  response = { type = "Text/HTML", markers = ["class~=x", "comment^=A b[", "key=answer"], within = "64 KiB" }
"""
    )
    assert (service.context, service.embedded, service.gap, service.reviewed) == (
        Context.SEARCH,
        True,
        90,
        "2026-01-01",
    )
    assert service.aliases == ("old-name",)
    (signature,) = service.signatures
    assert signature.hosts == ("a.example", "*.b.example")
    assert signature.methods == ("GET",)
    assert signature.path == r"/s.*.\.x"
    assert signature.query == {"q": "..*", "udm": None}
    assert signature.headers == {"origin": "https://.*"}
    assert signature.websocket is False
    assert signature.response is not None
    assert signature.response.type == "text/html"
    assert signature.response.within == 65_536
    assert [str(marker) for marker in signature.response.markers] == ["class~=x", "comment^=A b[", "key=answer"]
    assert (signature.file, signature.line) == ("v.toml", 13)


@pytest.mark.parametrize(
    ("context", "gap"), [("search", 10), ("translation", 60), ("chat", 1800), ("office", 1800), ("api", 1800)]
)
def test_the_gap_follows_the_context_where_none_is_given(context: str, gap: float) -> None:
    assert one(WHOLE.replace('"search"', f'"{context}"')).gap == gap


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


def test_country_stands_for_each_country_of_the_policy() -> None:
    text = WHOLE.replace('"a.example"', '"www.google.{country}", "*.x.{country}", "y.example"')
    hosts = one(text, countries=("nl", "co.uk")).signatures[0].hosts
    assert hosts == ("www.google.nl", "www.google.co.uk", "*.x.nl", "*.x.co.uk", "y.example")


# Every mistake is one error.

MISTAKES = {
    "no TOML": ("[[service]", "file", "is not TOML"),
    "a number without end": ("x = " + "9" * 5000, "file", "is not TOML"),
    "an impossible date": (WHOLE.replace("2026-01-01", "2026-02-30"), "file", "is not TOML"),
    "nested without end": ("x = " + "[" * 5000, "file", "is not TOML"),
    "something else at the top": ("title = 1\n" + WHOLE, "title", "is not a list of services"),
    "services as a table": ("[service]\nid = 's'", "service", "is not a list of services"),
    "services as numbers": ("service = [1]", "service", "is not a list of services"),
    "no id": (WHOLE.replace('id = "s"', ""), "service None", "has no usable id"),
    "id with a capital": (WHOLE.replace('"s"', '"S s"'), "service 'S s'", "has no usable id"),
    "id that is a number": (WHOLE.replace('"s"', "1"), "service 1", "has no usable id"),
    "the same id twice": (WHOLE + WHOLE, "service 's'", "is there twice"),
    "no vendor": (WHOLE.replace('vendor = "V"', ""), "service 's'", "missing required field `vendor`"),
    "unknown key": (WHOLE.replace("name =", "nmae ="), "service 's'", "unknown field `nmae`"),
    "unknown context": (WHOLE.replace('"search"', '"sport"'), "service 's'", "Invalid enum value 'sport'"),
    "reviewed as text": (WHOLE.replace("2026-01-01", '"yesterday"'), "service 's'", "$.reviewed"),
    "no evidence": (WHOLE.replace("invented", "  "), "service 's'", "has no evidence"),
    "no signature": (SERVICE + "signature = []", "service 's'", "has no signature"),
    "signature twice": (WHOLE + SIGNATURE, "service 's'", "one id twice"),
    "signature as a table": (SERVICE + "[service.signature]\nid = 'a'", "service 's'", "signature without an id"),
    "signature as a number": (SERVICE + "signature = [1]", "service 's'", "signature without an id"),
    "signature whose id is a list": (SERVICE + "signature = [{id = []}]", "service 's'", "signature without an id"),
    "gap in words": (SERVICE + 'gap = "soon"' + SIGNATURE, "service 's'", "gap 'soon' is no duration"),
    "gap of nothing": (SERVICE + 'gap = "0s"' + SIGNATURE, "service 's'", "gap '0s' is no duration"),
    "gap without end": (SERVICE + f'gap = "{"9" * 400}s"' + SIGNATURE, "service 's'", "is no duration"),
    "unknown level": (WHOLE.replace('"use"', '"seen"'), "service 's'", "Invalid enum value 'seen'"),
    "no host": (WHOLE.replace('"a.example"', ""), "signature 'a' (line 10)", "names no host"),
    "host with a capital": (WHOLE.replace("a.ex", "A.ex"), "signature 'a' (line 10)", "not a normalised host name"),
    "host with a path": (WHOLE.replace("a.example", "a.example/x"), "signature 'a' (line 10)", "not a normalised"),
    "host of one label": (WHOLE.replace("a.example", "*.com"), "signature 'a' (line 10)", "not a normalised"),
    "star inside a host": (WHOLE.replace("a.example", "a.*.example"), "signature 'a' (line 10)", "not a normalised"),
    "host with a port": (WHOLE.replace("a.example", "a.example:443"), "signature 'a' (line 10)", "not a normalised"),
    "path twice": (WHOLE + "path = '/x'\npath_regex = '/x'", "signature 'a' (line 10)", "has path and path_regex"),
    "path_regex broken": (WHOLE + "path_regex = '('", "signature 'a' (line 10)", "path_regex missing )"),
    "path_regex too large": (WHOLE + "path_regex = 'a{99999999999}'", "signature 'a' (line 10)", "path_regex"),
    "path_regex too deep": (WHOLE + f"path_regex = '{'(' * 9000}'", "signature 'a' (line 10)", "path_regex"),
    "query is true": (WHOLE + "query = { q = true }", "signature 'a' (line 10)", "query q = true"),
    "marker as a substring": (
        WHOLE + "response = { type = 'text/html', markers = ['mZJni'] }", "signature 'a'", "marker 'mZJni' is none",
    ),
    "no markers": (
        WHOLE + "response = { type = 'text/html', markers = [] }", "signature 'a'", "needs markers and a limit",
    ),
    "limit without unit": (
        WHOLE + "response = { type = 'x', markers = ['id=x'], within = '9' }", "signature 'a'", "a limit",
    ),
    "limit of nothing": (
        WHOLE + "response = { type = 'x', markers = ['id=x'], within = '0 KiB' }", "signature 'a'", "a limit",
    ),
    "limit without end": (
        WHOLE + f"response = {{ type = 'x', markers = ['id=x'], within = '{'9' * 5000}KiB' }}", "signature 'a'", "",
    ),
    "response of a visit": (
        WHOLE.replace('"use"', '"visit"') + "response = { type = 'x', markers = ['id=x'] }",
        "signature 'a' (line 10)", "reads a response without being a use",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "entry", "problem"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_error_with_file_entry_problem_and_remedy(text: str, entry: str, problem: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        parse(text, "v.toml")
    error = caught.value
    assert error.file == "v.toml"
    assert entry in error.entry
    assert problem in error.problem
    message = str(error)
    assert message.startswith("v.toml: ")
    remedy = message.rpartition(f"{error.problem}. ")[2]
    assert remedy.endswith(".")
    assert len(remedy) > 10


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("class~=mZJni", Marker("class", "~=", "mZJni")),
        ("Data-X^=a b", Marker("data-x", "^=", "a b")),
        ("id=x=y", Marker("id", "=", "x=y")),
        ("comment^=TgQPHd|[", Marker("comment", "^=", "TgQPHd|[")),
        ("key=answer", Marker("key", "=", "answer")),
    ],
)
def test_a_marker_is_a_place_a_test_and_a_value(text: str, expected: Marker) -> None:
    assert parse_marker(text) == expected


@pytest.mark.parametrize(
    "text", ["", "x", "=x", "class~=", "class~=a b", "class*=a", "comment=x", "comment~=x", "key^=x", "id=é", "1x=y"]
)
def test_what_is_no_marker_is_refused(text: str) -> None:
    with pytest.raises(CatalogueError):
        parse_marker(text)


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


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    overlay(tmp_path)
    (tmp_path / "services" / "folder.toml").mkdir()
    with pytest.raises(CatalogueError, match=r"folder\.toml: file: cannot be read"):
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


# Hosts, globs, durations.


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("a.example", "a.example"),
        (" A.Example. ", "a.example"),
        ("a.example:443", "a.example"),
        ("a.example.:443", "a.example"),
        ("a.example:", "a.example"),
        ("_x.a-b.example", "_x.a-b.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("ａ.example", "a.example"),
        ("a。example．", "a.example"),
        ("localhost", "localhost"),
        ("", ""),
        (".", ""),
        ("a..example", ""),
        ("a.example..", ""),
        ("-a.example", ""),
        ("a b.example", ""),
        ("a.example/x", ""),
        ("u@a.example", ""),
        ("[::1]", ""),
        ("[::1]:443", ""),
        ("a" * 64 + ".example", ""),
        ("a." * 127 + "ab", ""),
        ("é" * 70, ""),
        ("\ud800.example", ""),
        ("a.example\n.b", ""),
    ],
)
def test_a_host_name_is_normalised_once_or_is_none(written: str, name: str) -> None:
    assert normalise_host(written) == name


@given(st.text())
def test_normalising_twice_changes_nothing(text: str) -> None:
    name = normalise_host(text)
    assert normalise_host(name) == name
    assert name.isascii()
    assert name == name.lower()


@pytest.mark.parametrize(
    ("text", "seconds"), [("10s", 10), ("1.5 m", 90), (" 2h ", 7200), ("1d", 0), ("-1s", 0), ("", 0), ("١s", 0)]
)
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


def test_a_glob_means_nothing_but_its_stars_and_question_marks() -> None:
    assert glob("/a.b+*?[x]") == r"/a\.b\+.*.\[x\]"


def test_the_levels_of_the_shipped_rules_are_all_there() -> None:
    assert {signature.level for service in catalogue.load() for signature in service.signatures} == set(Level)
