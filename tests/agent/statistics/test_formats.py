"""Every line from elsewhere is a report, or one clear error; nothing in between and never a traceback."""

import json
import re
import secrets
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from bewust.config.policy import Keeper, Policy, ReleaseRules
from bewust.keys import key_text
from bewust.model import Kind
from bewust.statistics import formats, randomise
from bewust.statistics.counters import Key
from bewust.statistics.formats import BLOCKS, SERVICES, WIDTH, ReportError, decode, decode_opened, decode_sum, encode

NAMES = tuple(f"service-{n}" for n in range(SERVICES))
KEYS = (X25519PrivateKey.generate(), X25519PrivateKey.generate())
KEEPERS = tuple(Keeper(n, key_text(k.public_key())) for n, k in zip("ab", KEYS, strict=True))
SPLIT = Policy(mechanism="split", release=ReleaseRules(keepers=KEEPERS))


def report(policy: Policy, period: str, services: tuple[str, ...] = NAMES) -> str:
    counts = {Key(period, NAMES[0], Kind.USE): 1}
    return encode(randomise.randomise_period(counts, period, services, policy, secrets.randbelow))


LOCAL = report(Policy(), "2026-P12")
SHARED = report(SPLIT, "2026-W47")
HEADER = {"period": "2026-W47", "domain": formats.domain_of(NAMES), "services": list(NAMES)}
SUM: dict[str, Any] = {
    "schema": "bewust-sum/1", "keeper": "0123456789abcdef", "name": "security", **HEADER,
    "blocks": {name: {"epsilon": "1/2", "scale": "6/1"} for name in BLOCKS},
    "reports": 50, "manifest": "0" * 64, "sum": [str(n << 59) for n in range(WIDTH)],
}  # fmt: skip
OPENED: dict[str, Any] = {
    "schema": "bewust-opened/1", "period": "2026-W47", "mechanism": "split",
    "domain": HEADER["domain"], "services": HEADER["services"], "reports": 50, "manifest": "0" * 64,
    "blocks": {name: {"epsilon": "1/2", "estimates": [-3] * len(cells), "sd": 2.5} for name, cells in BLOCKS.items()},
}  # fmt: skip

type Change = Callable[[dict[str, Any]], object]


def written(value: object) -> str:
    """As Bewust writes it, so that what is refused is refused for its content."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def changed(line: str, change: Change) -> str:
    value = json.loads(line)
    change(value)
    return written(value)


def put(*path: str | int, to: object) -> Change:
    """Return a change that sets what is at a path of keys."""

    def change(value: Any) -> None:
        for key in path[:-1]:
            value = value[key]
        value[path[-1]] = to

    return change


def drop(*path: str | int) -> Change:
    def change(value: Any) -> None:
        for key in path[:-1]:
            value = value[key]
        del value[path[-1]]

    return change


def named(*services: str) -> Change:
    """Return a change to another list of services, with its domain, so that only the list can be wrong."""

    def change(value: Any) -> None:
        value["services"], value["domain"] = list(services), formats.domain_of(services)

    return change


# What is right is read, and written again as it was.


@pytest.mark.parametrize("line", [LOCAL, SHARED], ids=["local", "split"])
def test_a_line_is_read_with_or_without_its_end_and_written_as_it_was(line: str) -> None:
    for end in ("", "\n", "\r\n"):
        assert encode(decode(line + end)) == line
        assert encode(decode((line + end).encode())) == line
    assert line.isascii()
    assert "\n" not in line
    assert len(line) < 4096, "a quarter of the limit"


@pytest.mark.parametrize("services", [(), ("a",), ("a-1", "b")], ids=len)
@pytest.mark.parametrize(("policy", "period"), [(Policy(), "2026-P14"), (SPLIT, "2026-W53")], ids=["local", "split"])
def test_a_list_of_services_may_be_short(policy: Policy, period: str, services: tuple[str, ...]) -> None:
    line = report(policy, period, services)
    assert encode(decode(line)) == line
    assert decode(line).services == services


def test_sums_and_opened_batches_are_read_and_written_as_they_were() -> None:
    assert encode(decode_sum(written(SUM).encode())) == written(SUM)
    assert encode(decode_opened(written(OPENED).encode())) == written(OPENED)


def test_a_header_is_the_report_without_its_shares() -> None:
    split = decode(SHARED)
    assert isinstance(split, formats.SplitReport)
    assert json.loads(formats.header(split)) == {k: v for k, v in json.loads(SHARED).items() if k != "shares"}
    assert SHARED.startswith(formats.header(split).decode().partition(',"id"')[0])


def test_the_cells_have_as_many_names_as_there_are_bits() -> None:
    for services in ((), ("a",), NAMES):
        names = formats.report_cells(services)
        assert [len(found) for found in names.values()] == [len(cells) for cells in BLOCKS.values()]
        assert names["service"][: len(services)] == services
        assert names["service"][-1] == formats.OTHER
        assert set(names["service"][len(services) : -1]) <= {""}


def test_a_domain_changes_with_the_list_and_with_its_order() -> None:
    assert len({formats.domain_of(s) for s in ((), ("a",), ("b",), ("a", "b"), ("b", "a"), ("ab",))}) == 6
    assert re.fullmatch("[0-9a-f]{12}", formats.domain_of(NAMES))


# What is wrong is one error that says what.

NOT_A_REPORT = r"^is no report \("
PERIOD = "^has period .*, which is none$"
SERVICE_LIST = "^does not name at most 24 different services$"
BLOCK_LIST = "^has not the blocks any, service, internal, reminder$"
HEADERS: dict[str, tuple[Change, str]] = {
    "a day as period": (put("period", to="2026-11-23"), PERIOD),
    "a period P00": (put("period", to="2026-P00"), PERIOD),
    "a period P15": (put("period", to="2026-P15"), PERIOD),
    "a week 54": (put("period", to="2026-W54"), PERIOD),
    "a period with a line end": (put("period", to="2026-P12\n"), PERIOD),
    "a period with other digits": (put("period", to="٢٠٢٦-P12"), PERIOD),
    "25 services": (named(*NAMES, "one-more"), SERVICE_LIST),
    "a service twice": (named("a", "a"), SERVICE_LIST),
    "an address as service": (named("https://x.example/"), SERVICE_LIST),
    "no name as service": (named(""), SERVICE_LIST),
    "capitals in a service": (named("ChatGPT"), SERVICE_LIST),
    "the domain of another list": (
        put("domain", to=formats.domain_of(["x"])), "^has domain .*, which is not that of its services$",
    ),
    "a service exchanged": (put("services", 3, to="elsewhere"), "^has domain "),
    "a block missing": (drop("blocks", "internal"), BLOCK_LIST),
    "a block in another place": (lambda v: v["blocks"].update(any=v["blocks"].pop("any")), BLOCK_LIST),
    "an epsilon that is no fraction": (
        put("blocks", "any", "epsilon", to="0.5"), r"^block any has epsilon '0\.5', which is no fraction$",
    ),
    "an epsilon of nought": (put("blocks", "service", "epsilon", to="0/1"), "^block service has epsilon "),
    "an epsilon over nought": (put("blocks", "service", "epsilon", to="1/0"), "^block service has epsilon "),
    "a negative epsilon": (put("blocks", "service", "epsilon", to="-1/2"), "^block service has epsilon "),
    "an epsilon as a number": (put("blocks", "service", "epsilon", to=0.5), r"^is no .*blocks"),
}  # fmt: skip
MORE_BLOCKS: dict[str, tuple[Change, str]] = {
    "a block too many": (lambda v: v["blocks"].update(hours=v["blocks"]["any"]), BLOCK_LIST),
}
REPORTS: dict[str, tuple[Change, str]] = {
    **HEADERS,
    **MORE_BLOCKS,
    "another schema": (put("schema", to="bewust-report/2"), r"^is no report \(schema 'bewust-report/2', mechanism "),
    "no schema": (drop("schema"), r"^is no report \(schema '', mechanism "),
    "another mechanism": (put("mechanism", to="central"), r"^is no report \(.*mechanism 'central'\)$"),
    "a number as schema": (put("schema", to=1), NOT_A_REPORT),
    "a key too many": (put("host", to="pc-17"), NOT_A_REPORT),
    "a key too many in a block": (put("blocks", "any", "n", to=3), NOT_A_REPORT),
    "no id": (drop("id"), NOT_A_REPORT),
    "no services": (drop("services"), NOT_A_REPORT),
    "no blocks": (drop("blocks"), NOT_A_REPORT),
    "null for a block": (put("blocks", "any", to=None), NOT_A_REPORT),
    "a short id": (put("id", to="0" * 31), "^has no usable id$"),
    "a long id": (put("id", to="0" * 33), "^has no usable id$"),
    "a name as id": (put("id", to="pc-17.example.org" + "0" * 15), "^has no usable id$"),
    "capitals in the id": (put("id", to="A" * 32), "^has no usable id$"),
}
FLIP = "^block service has flip .*, which is no probability below one half$"
BITS = "^block service has not 25 bits$"
LOCALS: dict[str, tuple[Change, str]] = {
    "a bit too few": (put("blocks", "service", "bits", to="0" * 24), BITS),
    "a bit too many": (put("blocks", "service", "bits", to="0" * 26), BITS),
    "a bit that is none": (put("blocks", "service", "bits", to="2" + "0" * 24), BITS),
    "no coin": (put("blocks", "service", "flip", to="0.4"), FLIP),
    "a fair coin": (put("blocks", "service", "flip", to="1/2"), FLIP),
    "a coin that always flips": (put("blocks", "service", "flip", to="1/1"), FLIP),
    "a coin that never flips": (put("blocks", "service", "flip", to="0/1"), FLIP),
    "no block's coin": (drop("blocks", "any", "flip"), NOT_A_REPORT),
    "shares": (put("shares", to=["", ""]), NOT_A_REPORT),
}
SPLITS: dict[str, tuple[Change, str]] = {
    "one share": (put("shares", to=["AAAA"]), NOT_A_REPORT),
    "three keepers": (put("keepers", to=["a", "b", "c"]), NOT_A_REPORT),
    "no keepers": (drop("keepers"), NOT_A_REPORT),
    "bits": (put("blocks", "any", "bits", to="1"), NOT_A_REPORT),
    "the other mechanism": (put("mechanism", to="local"), NOT_A_REPORT),
}


def refused(read: Callable[[bytes], object], text: str | bytes, why: str) -> None:
    with pytest.raises(ReportError) as error:
        read(text.encode() if isinstance(text, str) else text)
    assert re.search(why, str(error.value), re.DOTALL), str(error.value)


@pytest.mark.parametrize(("change", "why"), (REPORTS | LOCALS).values(), ids=REPORTS | LOCALS)
def test_a_local_line_with_one_mistake_is_refused_with_its_reason(change: Change, why: str) -> None:
    refused(decode, changed(LOCAL, change), why)


@pytest.mark.parametrize(("change", "why"), (REPORTS | SPLITS).values(), ids=REPORTS | SPLITS)
def test_a_split_line_with_one_mistake_is_refused_with_its_reason(change: Change, why: str) -> None:
    refused(decode, changed(SHARED, change), why)


NOT_OURS = "^is not written as Bewust writes it$"
BYTES: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", NOT_A_REPORT),
    "an empty line": (b"\n", NOT_A_REPORT),
    "no JSON": (b"bewust", NOT_A_REPORT),
    "half a line": (LOCAL[: len(LOCAL) // 2].encode(), NOT_A_REPORT),
    "a list": (b"[]", NOT_A_REPORT),
    "a number": (b"1", NOT_A_REPORT),
    "an empty object": (b"{}", NOT_A_REPORT),
    "no UTF-8": (LOCAL.encode().replace(b"service-3", b"service-\xff"), NOT_A_REPORT),
    "UTF-16": (LOCAL.encode("utf-16"), NOT_A_REPORT),
    "a byte order mark": (b"\xef\xbb\xbf" + LOCAL.encode(), NOT_A_REPORT),
    "two lines": (f"{LOCAL}\n{LOCAL}".encode(), NOT_A_REPORT),
    "a deep nest": (b'{"schema":' + b"[" * 8000 + b"]" * 8000 + b"}", NOT_A_REPORT),
    "too long": (LOCAL.encode() + b" " * formats.LINE_LIMIT, "^is longer than 16384 bytes$"),
    "blanks": (json.dumps(json.loads(LOCAL)).encode(), NOT_OURS),
    "a blank behind": (LOCAL.encode() + b" ", NOT_OURS),
    "keys in another order": (written(dict(reversed(json.loads(LOCAL).items()))).encode(), NOT_OURS),
    "a key twice": (LOCAL.replace('"mechanism"', '"period":"2026-P12","mechanism"').encode(), NOT_OURS),
    "an escape that is not needed": (LOCAL.replace("bewust-report", "bewust\\u002dreport").encode(), NOT_OURS),
}


@pytest.mark.parametrize(("data", "why"), BYTES.values(), ids=BYTES)
def test_bytes_that_are_no_line_of_ours_are_refused_with_their_reason(data: bytes, why: str) -> None:
    refused(decode, data, why)


NOT_A_SUM, NO_SUMS = r"^is no sum of a keeper \(", "^has not 28 sums$"
SUMS: dict[str, tuple[Change, str]] = {
    **HEADERS,
    **MORE_BLOCKS,
    "another schema": (put("schema", to="bewust-opened/1"), NOT_A_SUM),
    "a key too many": (put("who", to="me"), NOT_A_SUM),
    "no manifest": (drop("manifest"), NOT_A_SUM),
    "no scale": (drop("blocks", "any", "scale"), NOT_A_SUM),
    "a number as text": (put("reports", to="50"), NOT_A_SUM),
    "27 sums": (drop("sum", 27), NO_SUMS),
    "29 sums": (lambda v: v["sum"].append("0"), NO_SUMS),
    "a sum that is no number": (put("sum", 3, to="x"), NO_SUMS),
    "an empty sum": (put("sum", 3, to=""), NO_SUMS),
    "a negative sum": (put("sum", 3, to="-1"), NO_SUMS),
    "a sum too large": (put("sum", 3, to=str(1 << 64)), NO_SUMS),
    "a sum that is no text": (put("sum", 3, to=4), NOT_A_SUM),
}


@pytest.mark.parametrize(("change", "why"), SUMS.values(), ids=SUMS)
def test_a_sum_with_one_mistake_is_refused_with_its_reason(change: Change, why: str) -> None:
    refused(decode_sum, changed(written(SUM), change), why)


NOT_OPENED = r"^is no opened batch \("
OPENEDS: dict[str, tuple[Change, str]] = {
    **HEADERS,
    "a block too many": (lambda v: v["blocks"].update(hours=v["blocks"]["any"]), BLOCK_LIST),
    "another schema": (put("schema", to="bewust-sum/1"), NOT_OPENED),
    "the other mechanism": (put("mechanism", to="local"), NOT_OPENED),
    "a key too many": (put("who", to="me"), NOT_OPENED),
    "no reports": (drop("reports"), NOT_OPENED),
    "an estimate with a fraction": (put("blocks", "any", "estimates", 0, to=1.5), NOT_OPENED),
    "an estimate too few": (drop("blocks", "service", "estimates", 24), "^block service has not 25 estimates$"),
    "an estimate too many": (put("blocks", "any", "estimates", to=[1, 2]), "^block any has not 1 estimates$"),
    "no deviation": (put("blocks", "any", "sd", to=None), NOT_OPENED),
}


@pytest.mark.parametrize(("change", "why"), OPENEDS.values(), ids=OPENEDS)
def test_an_opened_batch_with_one_mistake_is_refused_with_its_reason(change: Change, why: str) -> None:
    refused(decode_opened, changed(written(OPENED), change), why)


@pytest.mark.parametrize("read", [decode_sum, decode_opened], ids=["sum", "opened"])
@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"\xff", b"[" * 100_000], ids=["nothing", "list", "{}", "ff", "["])
def test_bytes_that_are_no_file_of_a_keeper_are_refused(read: Callable[[bytes], object], data: bytes) -> None:
    refused(read, data, f"({NOT_A_SUM}|{NOT_OPENED})")


# Anything at all.

READERS: dict[str, Callable[[bytes], msgspec.Struct]] = {
    "report": decode,
    "sum": decode_sum,
    "opened": decode_opened,
}
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=10), inner, max_size=5),
    max_leaves=10,
)
SMALL: tuple[object, ...] = ("é", "", None, -1, [], {})
RIGHT: dict[str, tuple[Callable[[bytes], msgspec.Struct], str]] = {
    "local": (decode, LOCAL),
    "split": (decode, SHARED),
    "sum": (decode_sum, written(SUM)),
    "opened": (decode_opened, written(OPENED)),
}


def read_or_refused(read: Callable[[bytes], msgspec.Struct], data: bytes) -> msgspec.Struct | None:
    """Return what was read, None where it was refused; any other error is that of the test."""
    try:
        return read(data)
    except ReportError as error:
        assert str(error)
        assert len(str(error)) < 1000, "an error shows what is wrong, and does not repeat all that was sent"
        return None


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_any_bytes_are_read_or_refused(read: Callable[[bytes], msgspec.Struct]) -> None:
    @given(st.binary(max_size=300) | ANY.map(lambda value: json.dumps(value).encode()))
    def check(data: bytes) -> None:
        read_or_refused(read, data)

    check()


def places(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return the path of every value in a JSON value."""
    inner: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [path] * bool(path) + [deeper for key, each in inner for deeper in places(each, (*path, key))]


@pytest.mark.parametrize("kind", ["local", "split", "sum", "opened"])
def test_any_value_in_any_place_is_read_or_refused(kind: str) -> None:
    read, line = RIGHT[kind]

    everywhere = places(json.loads(line))

    @given(st.sampled_from(everywhere), ANY)
    def check(path: tuple[str | int, ...], value: object) -> None:
        one(path, value)

    def one(path: tuple[str | int, ...], value: object) -> None:
        text = changed(line, put(*path, to=value)).encode("utf-8", "surrogatepass")
        found = read_or_refused(read, text)
        if found is not None and read is decode:
            assert encode(found).encode() == text

    for path in everywhere:
        for value in SMALL:
            one(path, value)
    check()


@pytest.mark.parametrize("line", [LOCAL, SHARED], ids=["local", "split"])
def test_no_character_of_a_line_can_be_changed_unnoticed(line: str) -> None:
    """Every place, with the bytes that have a meaning in JSON, that fit in there, or that are in no text."""
    data, report_ = line.encode(), decode(line)
    for place, before in enumerate(data):
        for byte in (*b'01a/"\\,:{} \n\0', 0xC3, 0xFF, before ^ 1, before ^ 32):
            if byte != before:
                found = read_or_refused(decode, data[:place] + bytes([byte]) + data[place + 1 :])
                assert found != report_, (place, byte)


@pytest.mark.parametrize("line", [LOCAL, SHARED], ids=["local", "split"])
def test_no_character_of_a_line_can_be_left_out_or_doubled_unnoticed(line: str) -> None:
    data, report_ = line.encode(), decode(line)
    for place in range(len(data)):
        for other in (data[:place] + data[place + 1 :], data[: place + 1] + data[place:], data[:place]):
            assert read_or_refused(decode, other) != report_, place


# What is not as it should be yet.


@pytest.mark.parametrize("key", ["keepers", "shares"])
def test_a_letter_beyond_ascii_in_a_split_line_is_refused(key: str) -> None:
    refused(decode, changed(SHARED, put(key, 0, to="é")), ".")


def test_a_text_that_is_no_unicode_is_refused() -> None:
    with pytest.raises(ReportError):
        decode("\ud800")


def test_a_sum_of_five_thousand_digits_is_refused() -> None:
    refused(decode_sum, changed(written(SUM), put("sum", 0, to="9" * 5000)), NO_SUMS)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(put("sum", 0, to="٣"), id="a digit of another script"),
        pytest.param(put("blocks", "any", "scale", to="wide"), id="a scale that is no fraction"),
        pytest.param(put("blocks", "any", "scale", to="1/0"), id="a scale over nought"),
        pytest.param(put("reports", to=-50), id="a negative number of reports"),
        pytest.param(put("manifest", to="x"), id="a manifest that is no digest"),
        pytest.param(put("keeper", to="x"), id="a keeper that is no id"),
    ],
)
def test_a_sum_with_a_value_that_cannot_be_is_refused(change: Change) -> None:
    refused(decode_sum, changed(written(SUM), change), ".")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(put("reports", to=-50), id="a negative number of reports"),
        pytest.param(put("manifest", to="x"), id="a manifest that is no digest"),
        pytest.param(put("blocks", "any", "sd", to=-1.0), id="a negative deviation"),
    ],
)
def test_an_opened_batch_with_a_value_that_cannot_be_is_refused(change: Change) -> None:
    refused(decode_opened, changed(written(OPENED), change), ".")


@pytest.mark.parametrize(("line", "period"), [(LOCAL, "0000-P01"), (SHARED, "0000-W01")], ids=["local", "split"])
def test_a_period_that_never_was_is_refused(line: str, period: str) -> None:
    refused(decode, changed(line, put("period", to=period)), PERIOD)
