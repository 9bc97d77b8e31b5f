"""A body's verdict is that of the whole, whatever the chunks and the coding, in little memory."""

import gzip
import json
import sys
from collections.abc import Callable
from functools import partial
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bewust.catalogue.entries import parse_marker
from bewust.detection.scanning import STEPS, Scanner
from bewust.model import Content
from support.body_samples import HIT, HTMLISH, PACKERS, PAGE, cut, hits, packed, verdict, wanted

# Chunks and encodings.


@settings(max_examples=400)
@given(HTMLISH, st.lists(st.integers(0, 400), max_size=8))
def test_any_chunking_of_a_page_gives_the_verdict_of_the_whole(text: str, at: list[int]) -> None:
    body = text.encode()
    whole = verdict([body])
    assert verdict(cut(body, at)) == whole
    assert verdict([body[n : n + 1] for n in range(len(body))]) == whole


@packed
@settings(max_examples=60)
@given(text=HTMLISH, at=st.lists(st.integers(0, 400), max_size=6))
def test_any_chunking_of_an_encoded_page_gives_the_verdict_of_the_plain_one(
    encoding: str, pack: Callable[[bytes], bytes], text: str, at: list[int]
) -> None:
    wire = pack(text.encode())
    assert verdict(cut(wire, at), encoding) == verdict([text.encode()])


@packed
@pytest.mark.parametrize("size", [5, 4096, 1 << 30])
def test_a_marker_after_much_repetition_is_found(encoding: str, pack: Callable[[bytes], bytes], size: int) -> None:
    """What a decoder's output limit held back must come out, also after the last byte."""
    for filling in (65_536 - len(HIT), 65_536 * 3, 200_003):
        wire = pack(b" " * filling + HIT)
        assert verdict([wire[n : n + size] for n in range(0, len(wire), size)], encoding) == 0


@pytest.mark.parametrize("encoding", [e for e, _ in PACKERS.values()], ids=PACKERS)
@settings(max_examples=150)
@given(chunks=st.lists(st.binary(max_size=200), max_size=5))
def test_any_bytes_give_a_verdict(encoding: str, chunks: list[bytes]) -> None:
    assert verdict(chunks, encoding) in (None, 0)


@packed
@settings(max_examples=60)
@given(
    text=HTMLISH,
    junk=st.binary(min_size=1, max_size=40),
    damage=st.tuples(st.integers(0, 200), st.integers(1, 255)),
)
def test_damaged_bodies_give_a_verdict(
    encoding: str, pack: Callable[[bytes], bytes], text: str, junk: bytes, damage: tuple[int, int]
) -> None:
    where, flip = damage
    wire = bytearray(pack(text.encode()))
    assert verdict([bytes(wire) + junk], encoding) in (None, 0)
    if wire:
        wire[where % len(wire)] ^= flip
        assert verdict([bytes(wire[:7]), bytes(wire[7:])], encoding) in (None, 0)


def test_damage_ends_the_search_but_not_what_was_found() -> None:
    wire = gzip.compress(b"<p>") + b"not gzip" + gzip.compress(HIT)
    assert verdict([wire], "gzip") is None
    assert verdict([gzip.compress(HIT) + b"not gzip"], "gzip") == 0


# Limits.


@packed
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
@pytest.mark.parametrize(("spare", "expected"), [(0, 0), (-1, None), (1, 0)])
def test_the_limit_counts_decoded_bytes_exactly(
    encoding: str, pack: Callable[[bytes], bytes], size: int, spare: int, expected: int | None
) -> None:
    body = b"<p>" * 300 + HIT
    wire = pack(body + b"<p>" * 300)
    response = wanted(within=len(body) + spare)
    assert verdict([wire[n : n + size] for n in range(0, len(wire), size)], encoding, response) == expected


@given(HTMLISH, st.integers(1, 200), st.lists(st.integers(0, 300), max_size=5))
def test_what_lies_beyond_the_limit_never_matters(text: str, within: int, at: list[int]) -> None:
    body = text.encode()
    assert verdict(cut(body, at), "", wanted(within=within)) == verdict([body[:within]])


def test_searching_stops_at_a_hit_and_at_the_limit() -> None:
    found = Scanner([PAGE])
    found.feed(b"<p>")
    assert (found.done, found.hit) == (False, None)
    found.feed(HIT)
    assert (found.done, found.hit) == (True, 0)
    limited = Scanner([wanted(within=10)])
    limited.feed(b"0123456789")
    assert (limited.done, limited.hit) == (True, None)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "piece", [b'"answer"', b'"answer" : ', b" ", b'"answer":' + b" " * 63, b'"answer":[' + b" " * 60]
)
def test_hostile_json_takes_linear_time(piece: bytes) -> None:
    body = piece * ((1 << 20) // len(piece))
    answer = wanted("key=answer")
    assert verdict([body[n : n + 4096] for n in range(0, len(body), 4096)], "", answer) in (None, 0)


# JSON keys.

ANSWER = wanted("key=answer")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"answer":"x"}', True),
        (b'{"answer" : [1]}', True),
        (b'{"answer":\n {"a":1}}', True),
        (b'{"answer":-1}', True),
        (b'{"answer":true}', True),
        (b'data: {"answer":"x"}\n\n', True),
        (b'DDG.x={"instantAnswers":[{"data":{"answer":"\\""}}]}', True),
        (b'{"answer":""}', False),
        (b'{"answer":null}', False),
        (b'{"answer":false}', False),
        (b'{"answer":[ ]}', False),
        (b'{"answer":{ }}', False),
        (b'{"answers":"x"}', False),
        (b'{"xanswer":"x"}', False),
        (b'{"x":"answer"}', False),
        (b'{"x":"\\"answer\\":\\"y\\""}', False),
        (b"answer: 'x'", False),
    ],
)
def test_a_json_key_counts_with_a_value_that_is_not_empty(body: bytes, expected: bool) -> None:
    assert hits(body, ANSWER) is expected
    assert (verdict([bytes([byte]) for byte in body], "", ANSWER) == 0) is expected


@given(
    st.lists(
        st.sampled_from(['"answer"', "answer", *'":\\[]{}- 1', "true", " " * 64, "x" * 150]),
        max_size=12,
    ).map("".join),
    st.lists(st.integers(0, 500), max_size=8),
)  # fmt: skip
def test_any_chunking_of_json_gives_the_verdict_of_the_whole(text: str, at: list[int]) -> None:
    body = text.encode()
    whole = verdict([body], "", ANSWER)
    assert verdict(cut(body, at), "", ANSWER) == whole
    assert verdict([body[n : n + 1] for n in range(len(body))], "", ANSWER) == whole


# Several rules on one body.

FIRST, SECOND, KEY = wanted("class~=first"), wanted("class~=second"), wanted("key=answer")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"<a class=second><a class=first>", 0),
        (b"<a class=first><a class=second>", 0),
        (b'<a class=second>{"answer":1}', 1),
        (b'{"answer":1}', 2),
        (b"<p>", None),
    ],
)
def test_of_several_rules_the_first_listed_speaks_whatever_the_order_in_the_body(
    body: bytes, expected: int | None
) -> None:
    assert verdict([body], "", FIRST, SECOND, KEY) == expected
    assert verdict([bytes([byte]) for byte in body], "", FIRST, SECOND, KEY) == expected


def test_each_rule_has_its_own_limit() -> None:
    body = b"<p>" * 10 + b"<a class=first><a class=second>"
    near = wanted("class~=first", within=20)
    assert verdict([body], "", near, SECOND) == 1
    assert verdict([bytes([byte]) for byte in body], "", near, SECOND) == 1


def test_nothing_wanted_is_done_at_once() -> None:
    assert Scanner([]).done


def test_one_response_may_be_asked_for_both_markup_and_keys() -> None:
    both = wanted("class~=first", "key=answer")
    assert verdict([b"<a class=first>"], "", both) == 0
    assert verdict([b'{"answer":1}'], "", both) == 0


# Key with a text, fields of the body itself, events, several groups.


@pytest.mark.parametrize(
    ("marker", "body", "expected"),
    [
        ("key=name:TextInput", b'{"event":{"header":{"namespace":"Vins","name":"TextInput"}}}', True),
        ("key=name:TextInput", b'{"name" : "TextInput"}', True),
        ("key=name:TextInput", b'{"name":"TextInputs"}', False),
        ("key=name:TextInput", b'{"name":["TextInput"]}', False),
        ("key=name:TextInput", b'{"text":"\\"name\\":\\"TextInput\\""}', False),
        ("field=model", b'{"model":"a"}', True),
        ("field=model", b'\xef\xbb\xbf \n{ "x": [1,{"y":"}"}], "model" : "a"}', True),
        ("field=model", b'{"messages":[],"model":{"id":1}}', True),
        ("field=model", b'{"model":""}', False),
        ("field=model", b'{"model":{ }}', False),
        ("field=model", b'{"model":[ ]}', False),
        ("field=model", b'{"model":null}', False),
        ("field=model", b'{"car":{"model":"a"}}', False),
        ("field=model", b'[{"model":"a"}]', False),
        ("field=model", b'{"text":"say \\"model\\":\\"a\\" to it"}', False),
        ("field=model", b'{"text":"ends with a backslash \\\\","model":"a"}', True),
        ("field=model", b'{"text":"' + b"x" * 100_000 + b'","model":"a"}', True),
        ("field=model", b'{"text":"' + b'\\"' * 50_000 + b'","model":"a"}', True),
        ("field=event:send", b'{"event":"send","content":[]}\x1e{"event":"x"}', True),
        ("field=event:send", b'{"event":"ping"}\x1e{"event":"send"}', True),
        ("field=event:send", b'{"event":"sender"}', False),
        ("field=event:send", b'{"event":{"event":"send"}}', False),
        ("field=q", b"q=hallo&source=nl", True),
        ("field=q", b"source=nl&q=hallo", True),
        ("field=q", b"source=nl&q=", False),
        ("field=q", b"source=q=x&xq=1&q", False),
        ("field=n:useSend", b"a=1&n=useSend&v=%7B%7D", True),
        ("field=n:useSend", b"a=1&n=useSender", False),
        ("field=n:useSend", b"n=" + b"u" * 1000 + b"&n=useSend", True),
        ("event=message_start", b"event: message_start\ndata: {}\n\n", True),
        ("event=message_start", b"data: x\r\n\r\nevent:message_start\r\ndata: {}", True),
        ("event=message_start", b"data: x\n\nevent: message_start", True),
        ("event=message_start", b"event: message_started\n", False),
        ("event=message_start", b"data: event: message_start\n", False),
        ("class~=a & class~=b", b"<p class='a x b'>", True),
        ("class~=a & class~=b", b"<p class=a><p class=b>", False),
        ("jsname=Y & data-evn^=", b"<div data-evn jsname=Y>", True),
        ("jsname=Y & data-evn^=", b"<div data-evn='' jsname=Y>", True),
        ("jsname=Y & data-evn^=", b"<div jsname=Y><p data-evn>", False),
        ("data-evn^=", b"<p data-evn=1>", True),
        ("data-evn^=", b"<p data-evnx=1>data-evn", False),
    ],
)
def test_each_kind_of_marker_in_its_place_at_any_chunking(marker: str, body: bytes, expected: bool) -> None:
    assert hits(body, wanted(marker)) is expected
    assert hits(body[:20_000] + body[20_000:], wanted(marker)) is expected
    if len(body) < 1000:
        assert (verdict([bytes([byte]) for byte in body], "", wanted(marker)) == 0) is expected


MODEL_AND_PROMPT = Content(
    ((parse_marker("field=model"),), (parse_marker("field=messages"), parse_marker("field=prompt"))), 1 << 20
)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"model":"a","messages":[{"role":"user"}]}', True),
        (b'{"prompt":"x","model":"a"}', True),
        (b'{"model":"a","messages":[]}', False),
        (b'{"messages":[1],"prompt":"x"}', False),
        (b'{"model":"a"}', False),
        (b"model=a&prompt=x", True),
    ],
)
def test_each_group_needs_one_of_its_markers(body: bytes, expected: bool) -> None:
    assert hits(body, MODEL_AND_PROMPT) is expected
    assert (verdict([bytes([byte]) for byte in body], "", MODEL_AND_PROMPT) == 0) is expected


def test_a_content_of_two_groups_and_one_of_one_keep_their_order() -> None:
    one = wanted("field=prompt")
    assert verdict([b'{"prompt":"x",', b'"model":"a"}'], "", MODEL_AND_PROMPT, one) == 0
    assert verdict([b'{"prompt":"x",', b'"modal":"a"}'], "", MODEL_AND_PROMPT, one) == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=8) | st.sampled_from(["model", '"model":"x"']),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["model", "a", "\\", '"', "model\\"]), inner, max_size=3)
    ),
    max_leaves=12,
)


def filled(value: object) -> bool:
    return value is not None and value is not False and value not in ("", [], {})


@settings(max_examples=400)
@given(JSON, st.lists(st.integers(0, 120), max_size=6), st.sampled_from([None, 1]))
def test_a_field_is_what_a_json_parser_finds_at_the_outermost_object(
    value: object, at: list[int], indent: int | None
) -> None:
    body = json.dumps(value, indent=indent, ensure_ascii=False).encode()
    expected = isinstance(value, dict) and filled(value.get("model"))
    if body[:1] not in b"{[":
        return  # a bare number or text is no object; it is taken for a form
    assert (verdict(cut(body, at), "", wanted("field=model")) == 0) is expected


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=5), st.lists(st.integers(0, 90), max_size=5))
def test_a_field_is_what_a_form_holds(fields: dict[str, str], at: list[int]) -> None:
    fields = {"a": "1"} | fields
    body = urlencode({name: value for name, value in fields.items() if name != "q"} | {"q": fields.get("q", "")})
    assert (verdict(cut(body.encode(), at), "", wanted("field=q")) == 0) is bool(fields.get("q"))


@pytest.mark.timeout(20)
@pytest.mark.parametrize("piece", [b"{", b'{"', b'"', b"\\", b'"\\', b"&", b"a=", b"[", b'{"model":', b"event:", b"\n"])
def test_hostile_requests_take_linear_time_and_little_memory(piece: bytes) -> None:
    marks = [wanted("field=model", within=64 << 20), wanted("event=x", within=64 << 20)]
    for start in (b"{", b""):
        body = start + piece * ((1 << 20) // len(piece))
        assert verdict([body[n : n + 4096] for n in range(0, len(body), 4096)], "", *marks) in (None, 0)


def calls(work: Callable[[], object]) -> int:
    """How many functions `work` calls, of Python and of C: what it costs, whatever else the machine does."""
    count = 0

    def seen(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(seen)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("piece", [b"[", b"{", b'"', b"[]", b'[{"', b'{"a":', b'"a",', b'{"a":["b"],', b"&", b"a=&"])
def test_what_fields_cost_is_bounded_whatever_the_body_is(piece: bytes) -> None:
    rules = [wanted(f"field=name{number}") for number in range(20)]
    for start in (b"", b"{", b'{"a":['):
        body = start + piece * ((1 << 20) // len(piece))
        assert calls(partial(Scanner(rules).feed, body)) < 16 * STEPS


def test_twenty_rules_read_the_fields_of_a_body_once() -> None:
    body = b'{"a": [' + b'{"role": "user", "parts": ["x"]},' * 2000 + b'"z"], "name19": 1}'
    one, twenty = Scanner([wanted("field=name19")]), Scanner([wanted(f"field=name{n}") for n in range(20)])
    assert calls(lambda: twenty.feed(body)) < 2 * calls(lambda: one.feed(body)) + 1000
    twenty.end()
    assert (one.hit, twenty.hit) == (0, 19)
