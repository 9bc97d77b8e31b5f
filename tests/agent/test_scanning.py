"""A body's verdict is that of the HTML standard, whatever the chunks and the encoding, in little memory."""

import gzip
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from itertools import pairwise

import brotli
import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bewust.catalogue import parse_marker
from bewust.model import Response
from bewust.scanning import Scanner, UnknownEncodingError, decoders, holds

MARKERS = ("class~=mZJni", "id^=folsrch", "comment^=Sv6Kpe[", "comment^=TgQPHd|[")
HIT = b'<div class="mZJni">'


def wanted(*markers: str, within: int = 2 << 20) -> Response:
    return Response("text/html", tuple(map(parse_marker, markers or MARKERS)), within)


PAGE = wanted()


def verdict(chunks: list[bytes], encoding: str = "", *responses: Response) -> int | None:
    scanner = Scanner(responses or [PAGE], encoding)
    for chunk in chunks:
        scanner.feed(chunk)
    scanner.end()
    assert scanner.done
    return scanner.hit


def hits(body: bytes, *responses: Response) -> bool:
    return verdict([body], "", *responses) is not None


def cut(body: bytes, at: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(n, len(body)) for n in at), len(body)]
    return [body[a:b] for a, b in pairwise(edges)]


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACKERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "identity": ("identity", bytes),
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("X-GZIP", gzip.compress),
    "two gzip members": ("gzip", lambda data: gzip.compress(data[:9]) + gzip.compress(data[9:])),
    "deflate": ("deflate", zlib.compress),
    "raw deflate": ("deflate", raw_deflate),
    "br": ("br", brotli.compress),
    "zstd": ("zstd", zstandard.ZstdCompressor().compress),
    "two zstd frames": ("zstd", lambda data: zstandard.compress(data[:9]) + zstandard.compress(data[9:])),
    "gzip, br": ("gzip, br", lambda data: brotli.compress(gzip.compress(data))),
    "zstd, deflate": ("zstd, deflate", lambda data: zlib.compress(zstandard.compress(data))),
}  # fmt: skip
packed = pytest.mark.parametrize(("encoding", "pack"), PACKERS.values(), ids=PACKERS)


# What is a mark of an answer and what only looks like one.

COUNTS = {
    "class": b'<p><div class="mZJni">',
    "one class of several": b"<div data-x=1 class='a mZJni\tb'>",
    "class without quotes": b"<div class=mZJni>",
    "self-closing": b"<div class='mZJni'/>",
    "blanks around the sign": b"<div class \n=\r\n 'mZJni'>",
    "capitals in tag and attribute": b"<DIV CLASS=mZJni>",
    "no blank after a quoted value": b'<div a="b"class="mZJni">',
    "id by its beginning": b'<span id="folsrch7">',
    "id without quotes": b"<span hidden id=folsrch>",
    "comment": b"<!--Sv6Kpe[[1,2]]-->",
    "second comment": b"<p><!--TgQPHd|[1]--></p>",
    "comment cut off": b"<!--Sv6Kpe[",
    "after an unclosed p": b"<p><p>text < 3 <<" + HIT,
    "after a less-than sign": b"a <" + HIT,
    "after a script": b"<script>if (a<b) x('<!-')</script >" + HIT,
    "after a script in capitals": b"<SCRIPT></sCRIPT\n>" + HIT,
    "after a script with a comment": b"<script><!-- x --></script>" + HIT,
    "after an open comment in a script": b"<script><!-- x </script>" + HIT,
    "after an element with a longer name": b"<scripty>" + HIT,
    "after a title with a longer end": b"<title>a</titles>b</title/>" + HIT,
    "after a comment": b"<!-- a > b -- c -->" + HIT,
    "after an empty comment": b"<!-->" + HIT,
    "after a comment of a dash": b"<!--->" + HIT,
    "after a comment in a comment": b"<!-- <!-- -->" + HIT,
    "after a comment that ends with a bang": b"<!-- a --!>" + HIT,
    "after a bogus comment": b"<!a><!-b><?--c></--d></ e></>" + HIT,
    "after a document type": b'<!DOCTYPE html PUBLIC ">' + HIT,
    "after < in an attribute": b'<a title="<script>" b=<!-- >' + HIT,
    "after > in an attribute": b"<a title='a>b' c>" + HIT,
    "after a stray quote": b'<a " b>' + HIT,
    "after an empty value": b"<a b= c=>" + HIT,
    "after NUL": b"\0<\0 <a\0 b\0='\0'>" + HIT,
    "the first of two ids": b"<div id=folsrch id=x>",
    "beside what is no UTF-8": b'<div class="\xff mZJni \xc3">',
}
DOES_NOT_COUNT = {
    "nothing": b"",
    "text": b"mZJni folsrch Sv6Kpe[ class=mZJni",
    "script": b"<script>'" + HIT + b"'</script>",
    "script that looks ended": b"<script>'</scripts>" + HIT + b"'</script>",
    "script commented out": b"<script><!-- <script></script>" + HIT + b"--></script>",
    "script in a script that starts anew": b"<script><!--<script>--></script><p></script>",
    "style": b"<style>.mZJni{}" + HIT + b"</style>",
    "textarea": b"<textarea>" + HIT + b"</textarea>",
    "title": b"<TITLE>" + HIT + b"</TITLE>",
    "noscript, which browsers read as text": b"<noscript>" + HIT + b"</noscript>",
    "iframe": b"<iframe>" + HIT + b"</iframe>",
    "comment": b"<!-- " + HIT + b" -->",
    "comment that seems to end": b"<!--!>" + HIT + b"-->",
    "comment that seems to end after a dash": b"<!---!>" + HIT + b"-->",
    "comment never ended": b"<!-- " + HIT,
    "script never ended": b"<script>" + HIT,
    "bogus comment": b"<!a " + HIT[:-1] + b">",
    "comment mark in a bogus comment": b"<!Sv6Kpe[><?Sv6Kpe[>",
    "comment mark not at the beginning": b"<!-- Sv6Kpe[-->",
    "comment mark cut off": b"<!--Sv6Kpe",
    "comment mark in a script": b"<script><!--Sv6Kpe[--></script>",
    "attribute value": b"<div title='" + HIT + b"'>",
    "attribute value never closed": b'<div title="' + HIT.replace(b'"', b""),
    "tag never closed": HIT[:-1],
    "end tag": b"</div class=mZJni id=folsrch>",
    "attribute of a script": b'<script class="mZJni" id="folsrch"></script>',
    "part of a class": b'<div class="mZJnix xmZJni mZJni-a">',
    "class in other capitals": b'<div class="mzjni">',
    "class joined by a no-break space": 'a<div class="x\u00a0mZJni">'.encode(),
    "id that ends so": b'<div id="xfolsrch">',
    "id of a class": b'<div id="mZJni" class="folsrch">',
    "other attribute": b'<div data-class="mZJni" class-x="mZJni" data-async-type="folsrch">',
    "attribute name": b"<div mZJni folsrch>",
    "slash that belongs to the value": b"<div class=mZJni/>",
    "tag name": b"<mZJni><folsrch>",
    "second of two classes": b'<div class="x" class="mZJni">',
    "tag with a blank first": b'< div class="mZJni">',
}


@pytest.mark.parametrize("body", COUNTS.values(), ids=COUNTS)
def test_a_marker_in_its_place_counts_at_any_chunking(body: bytes) -> None:
    assert hits(body)
    assert verdict([bytes([byte]) for byte in body]) == 0


@pytest.mark.parametrize("body", DOES_NOT_COUNT.values(), ids=DOES_NOT_COUNT)
def test_a_marker_anywhere_else_does_not_count(body: bytes) -> None:
    assert not hits(body)
    assert verdict([bytes([byte]) for byte in body]) is None


@pytest.mark.parametrize(
    ("marker", "value", "expected"),
    [
        ("class~=a", "b a c", True),
        ("class~=a", "b\n\ta", True),
        ("class~=a", "ab", False),
        ("class~=a", "", False),
        ("id^=a", "abc", True),
        ("id^=a", "cab", False),
        ("id=a", "a", True),
        ("id=a", "ab", False),
    ],
)
def test_token_prefix_and_whole_value(marker: str, value: str, expected: bool) -> None:
    assert holds(parse_marker(marker), value) is expected


# An independent tokenizer, letter by letter as the HTML standard has it (13.2.5), to compare with.

RAW = ("script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes", "noscript")
BLANK = " \t\n\f\r"
ENDS = BLANK + "/>"


def standard_says(text: str) -> bool:
    """Whether a start tag or comment of the text carries one of MARKERS."""
    for kind, value in standard_tokens(text):
        if kind == "comment" and value.startswith(("Sv6Kpe[", "TgQPHd|[")):
            return True
        if kind == "class" and "mZJni" in value.replace("\t", " ").replace("\n", " ").split(" "):
            return True
        if kind == "id" and value.startswith("folsrch"):
            return True
    return False


def standard_tokens(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(text):
        following = text[at + 1 : at + 2]
        if text[at] != "<":
            at += 1
        elif text.startswith("<!--", at):
            end = standard_comment_end(text, at + 4)
            yield "comment", text[at + 4 : end]
            at = end
        elif following in ("!", "?") or (following == "/" and not is_letter(text[at + 2 : at + 3])):
            at = (text.find(">", at) + 1) or len(text)
        elif is_letter(following) or following == "/":
            name, attributes, at = standard_tag(text, at + 1)
            if name in RAW:
                at = standard_script_end(text, at) if name == "script" else standard_raw_end(text, at, name)
            elif not name.startswith("/") and at <= len(text):
                yield from attributes.items()
        else:
            at += 1


def standard_comment_end(text: str, at: int) -> int:
    state = "start"
    while at < len(text):
        letter = text[at]
        at += 1
        if letter == ">" and state in ("start", "start dash", "end", "bang"):
            return at
        if letter == "-":
            state = {"start": "start dash", "start dash": "end", "end dash": "end", "end": "end"}.get(state, "end dash")
        elif letter == "!" and state == "end":
            state = "bang"
        else:
            state = "comment"
    return at


def standard_tag(text: str, at: int) -> tuple[str, dict[str, str], int]:
    """Return name, attributes and where the tag ends; beyond the text where it never does."""
    never = "", dict[str, str](), len(text) + 1
    start = at
    at += text[at] == "/"
    while text[at : at + 1] and text[at] not in ENDS:
        at += 1
    name = text[start:at].lower()
    attributes: dict[str, str] = {}
    while at < len(text):
        if text[at] == ">":
            return name, attributes, at + 1
        if text[at] in ENDS:
            at += 1
            continue
        begin = at
        at += 1  # a first "=" belongs to the name
        while text[at : at + 1] and text[at] not in ENDS + "=":
            at += 1
        attribute = text[begin:at].lower()
        value, at = standard_value(text, at)
        attributes.setdefault(attribute, value)
    return never


def standard_value(text: str, at: int) -> tuple[str, int]:
    at = beyond_blanks(text, at)
    if text[at : at + 1] != "=":
        return "", at
    begin = at = beyond_blanks(text, at + 1)
    if text[at : at + 1] in ("'", '"'):
        end = text.find(text[at], at + 1)
        return (text[at + 1 : end], end + 1) if end >= 0 else ("", len(text))
    while text[at : at + 1] and text[at] not in BLANK + ">":
        at += 1
    return text[begin:at], at


def beyond_blanks(text: str, at: int) -> int:
    return at + len(text[at:]) - len(text[at:].lstrip(BLANK))


def is_letter(text: str) -> bool:
    return text.isascii() and text.isalpha()


def is_tag(text: str, at: int, name: str) -> bool:
    after = text[at + len(name) : at + len(name) + 1]
    return text[at : at + len(name)].lower() == name and after != "" and after in ENDS


def standard_raw_end(text: str, at: int, name: str) -> int:
    while at < len(text) and not is_tag(text, at, f"</{name}"):
        at += 1
    return at


def standard_script_end(text: str, at: int) -> int:
    state, dashes = "data", 0
    while at < len(text):
        if state == "data":
            if is_tag(text, at, "</script"):
                return at
            if text.startswith("<!--", at):
                state, dashes, at = "escaped", 2, at + 4
                continue
        elif text[at] == "-":
            dashes += 1
        elif text[at] == ">" and dashes >= 2:
            state = "data"
        else:
            dashes = 0
            if is_tag(text, at, "</script"):
                if state == "escaped":
                    return at
                state, at = "escaped", at + 8
            elif state == "escaped" and is_tag(text, at, "<script"):
                state, at = "double", at + 7
        at += 1
    return at


FRAGMENTS = st.sampled_from(
    [
        "<!--", "-->", "--!>", "<!", "<!-", "->", "-", "!", ">", "<", "/", "</", "<?", "=", " ", "\n", "\0", "é",
        '"', "'", "<script>", "<script", "</script", "</script>", "</SCRIPT >", "<scripty>", "<style>", "</style>",
        "<title>", "</title>", "<textarea ", "</textarea\n>", "<noscript>", "</noscript>", "<div ", "<DIV a='",
        '<p b="',
        "class=", "class='mZJni'", ' class="x mZJni y"', "mZJni", "id=", "id=folsrch1", "id='", "folsrch",
        "Sv6Kpe[", "<!--Sv6Kpe[", "<!--TgQPHd|[[", "</div>", "</p class=mZJni>", "<br/>", "<div class=mZJni>", "a",
    ]
)  # fmt: skip
HTMLISH = st.lists(FRAGMENTS, max_size=25).map("".join)


@settings(max_examples=1500)
@given(HTMLISH)
@example("<?-- ><div class=mZJni>")
@example("<!--!><div class=mZJni>-->")
@example("<script><!--<script></script><div class=mZJni></script>")
def test_the_verdict_is_that_of_the_html_standard(text: str) -> None:
    assert hits(text.encode()) == standard_says(text)


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


@pytest.mark.parametrize("repeated", range(43_600, 43_900, 7))
def test_the_last_bytes_of_raw_deflate_are_not_held_back(repeated: int) -> None:
    """It has no trailer, so the input can be used up while a full piece still hides some output."""
    body = b"<p>" * repeated
    (decoder,) = decoders("deflate")
    assert b"".join(decoder.pieces(raw_deflate(body))) == body


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


@pytest.mark.parametrize("encoding", ["compress", "gzip, lzma", "dcb", "gzip;q=1"])
def test_an_encoding_that_nothing_decodes_is_refused(encoding: str) -> None:
    with pytest.raises(UnknownEncodingError):
        Scanner([PAGE], encoding)


@pytest.mark.parametrize("encoding", ["", " ", "identity", "Identity, ", ","])
def test_no_encoding_needs_no_decoder(encoding: str) -> None:
    assert decoders(encoding) == ()


@pytest.mark.timeout(20)
def test_empty_gzip_members_take_no_quadratic_time() -> None:
    assert verdict([gzip.compress(b"") * 400_000 + gzip.compress(HIT)], "gzip") == 0


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


def bomb_gzip() -> bytes:
    return gzip.compress(gzip.compress(bytes(300 << 20), 1), 9)


BOMBS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "gzip": ("gzip", lambda: gzip.compress(bytes(100 << 20), 1)),
    "gzip twice": ("gzip, gzip", bomb_gzip),
    "br": ("br", lambda: brotli.compress(bytes(100 << 20), quality=1)),
    "zstd": ("zstd", lambda: zstandard.compress(bytes(100 << 20))),
    "zstd without a checksum, in one block's worth of bytes": (
        "zstd",
        # RFC 8878: magic, a frame of one MiB window, then blocks that repeat one byte 128 KiB long.
        lambda: b"\x28\xb5\x2f\xfd\x00\x50" + b"\x02\x00\x10a" * 800 + b"\x03\x00\x10a",
    ),
}


@pytest.mark.parametrize(("encoding", "make"), BOMBS.values(), ids=BOMBS)
def test_a_compressed_bomb_never_unfolds(encoding: str, make: Callable[[], bytes]) -> None:
    wire = make()
    scanner = Scanner([wanted(within=64 << 20)], encoding)
    tracemalloc.start()
    scanner.feed(wire)
    scanner.end()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert scanner.done
    assert peak < 24 << 20


PATHOLOGICAL = {
    "many less-than signs": b"<",
    "many open tags": b"<a ",
    "one endless attribute": b'<a b="',
    "attributes without end": b"b=c ",
    "quotes": b"<a b='\"",
    "equals signs": b"<a = = ",
    "blanks in a tag": b"<a                                        ",
    "slashes": b"<a/////",
    "comment starts": b"<!--",
    "almost comments": b"<!-",
    "dashes": b"<!-- --------",
    "bogus comments": b"<?<!</",
    "scripts": b"<script><!--",
    "script ends": b"</script",
    "whole scripts": b"<script></script>",
    "script in script": b"<script><!--<script",
    "whole comments": b"<!-- -->",
    "small tags": b"<a>",
    "tags with the value as text": b"mZJni<a>",
    "almost markers": b'<a class="x mZJn">',
    "titles": b"<title",
    "NUL": b"\0",
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("piece", PATHOLOGICAL.values(), ids=PATHOLOGICAL)
@pytest.mark.parametrize("before", [b"", b"<a "], ids=["", "in a tag"])
def test_hostile_pages_take_linear_time(piece: bytes, before: bytes) -> None:
    """Two MiB in chunks of 4 KiB; quadratic work would take minutes and run into the timeout."""
    body = before + piece * ((2 << 20) // len(piece))
    assert verdict([body[n : n + 4096] for n in range(0, len(body), 4096)]) is None


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "piece", [b'"answer"', b'"answer" : ', b" ", b'"answer":' + b" " * 63, b'"answer":[' + b" " * 60]
)
def test_hostile_json_takes_linear_time(piece: bytes) -> None:
    body = piece * ((2 << 20) // len(piece))
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
