"""What counts in a page is what the HTML standard says is an element or a comment, and nothing else."""

from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings

from bewust.catalogue.entries import parse_marker
from bewust.detection.html import holds
from support.body_samples import HIT, HTMLISH, hits, verdict

# What is a mark of an answer and what only looks like one.

RAW_TEXT = b"script style textarea title xmp iframe noembed noframes noscript".split()
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
    "after a script that has its name": b"<p>a</p><script>'mZJni'</script><style>.mZJni{}</style>" + HIT,
    "after text that has its name": b"mZJni <p>mZJni" + HIT,
    "after raw text of every kind": b"".join(b"<%b a='>'> mZJni </x> <b></%b>" % (n, n.upper()) for n in RAW_TEXT)
    + HIT,
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
    "script with a comment, then one with a name": b"<script><!-- a --></script><script>" + HIT + b"</script>",
    "raw text that looks ended by another": b"<xmp></style>" + HIT + b"</noembed></xmp>",
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


@settings(max_examples=1500)
@given(HTMLISH)
@example("<?-- ><div class=mZJni>")
@example("<!--!><div class=mZJni>-->")
@example("<script><!--<script></script><div class=mZJni></script>")
def test_the_verdict_is_that_of_the_html_standard(text: str) -> None:
    assert hits(text.encode()) == standard_says(text)


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
