"""Heads of answers: whatever a site says, what is passed on has one length, and says the same to a strict reader."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy.http import Headers, Request, Response
from mitmproxy.net.http import http1
from mitmproxy.net.http.validate import validate_headers

from bewust_addons.patches.response_heads import http2_fields, read_response_head

GET = Request.make("GET", "https://www.google.nl/")
LINES = st.one_of(
    st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"") or b"x"),
    st.sampled_from([
        *(b"Content-Length: " + length for length in (
            b"5", b"5, 5", b"6", b"+5", b"0x5", b"05", b"-1", b"", b"9" * 5000,
        )),
        *(b"Transfer-Encoding: " + coding for coding in (
            b"chunked", b"CHUNKED", b"gzip, chunked", b"chunked, gzip", b"identity", b"\x0bchunked", b"xchunked", b"",
        )),
        b"content-length: 5", b"Content-Length : 5", b"transfer-encoding: chunked", b"X: \xe9", b"X-A: 1", b" folded",
        b"X: 1\rTransfer-Encoding: chunked", b"\tfolded: Content-Length: 9", b"no colon", b": no name", b"two words: x",
    ]),
)  # fmt: skip
STATUS_LINES = st.one_of(
    st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"")),
    st.sampled_from([
        *(b"HTTP/1.1 " + status for status in (b"200 OK", b"204", b"304 N", b"103 Early", b"2000", b"1..", b"200OK")),
        b"HTTP/1.0 200 OK", b"HTTP/2 200", b"http/1.1 200 OK", b"HTTP/9999999999.1 200 OK", b"HTTP 200",
        b"HTTP/1.1 200 a\rb",
    ]),
)  # fmt: skip


@given(STATUS_LINES, st.lists(LINES, max_size=6))
def test_what_is_passed_says_the_same_to_a_strict_reader(status: bytes, lines: list[bytes]) -> None:
    try:
        read = read_response_head([status, *lines])
    except ValueError:
        return
    validate_headers(read)
    size = http1.expected_http_body_size(GET, read)
    passed = http1.assemble_response_head(read)
    again = http1.read_response_head(passed.split(b"\r\n")[:-2])
    assert again.headers.fields == read.headers.fields
    assert b"\r" not in passed.replace(b"\r\n", b"")
    assert (again.status_code, again.http_version) == (read.status_code, read.http_version)
    assert http1.expected_http_body_size(GET, again) == size
    assert len(again.headers.get_all("content-length") + again.headers.get_all("transfer-encoding")) <= 1


@given(st.lists(LINES, max_size=6))
def test_http2_fields_have_one_length_and_nothing_of_a_connection(lines: list[bytes]) -> None:
    headers = [(name, value) for name, _, value in (line.partition(b":") for line in lines)]
    try:
        (_, *fields) = http2_fields([(b":status", b"200"), *headers])
    except ValueError:
        return
    read = Response(b"HTTP/2.0", 200, b"", Headers(fields), None, None, 0, 0)
    validate_headers(read)
    http1.expected_http_body_size(GET, read)
    assert not any(byte in value for _, value in fields for byte in b"\r\n\0")
    assert "transfer-encoding" not in read.headers


@pytest.mark.parametrize(
    ("lines", "size"),
    [
        ([b"Content-Length: 5", b"Content-Length: 5"], 5),
        ([b"Content-Length: 5, 5"], 5),
        ([b"Content-Length: 0005"], 5),
        ([b"Content-Length: 5", b"Transfer-Encoding: chunked"], None),
        ([b"Content-Length: 5", b"Content-Length: 6", b"Transfer-Encoding: chunked"], None),
        ([b"Transfer-Encoding: identity, chunked"], None),
        ([b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"], None),
        ([b"Transfer-Encoding: zip", b"Content-Length: 5"], 5),
        ([b"Content-Length: five"], -1),
        ([b"Content-Length: +5"], -1),
        ([b"Content-Length: " + b"9" * 5000], -1),
        ([b"Content-Length: "], -1),
        ([], -1),
    ],
)
def test_a_body_ends_where_browsers_end_it(lines: list[bytes], size: int | None) -> None:
    assert http1.expected_http_body_size(GET, read_response_head([b"HTTP/1.1 200 OK", *lines])) == size


@pytest.mark.parametrize(
    ("status", "lines"),
    [
        (b"HTTP/1.1 200 OK", [b"Content-Length: 5", b"Content-Length: 6"]),
        (b"HTTP/1.1 200 OK", [b"Content-Length: 5, 6"]),
        (b"HTTP/1.1 1..", []),
        (b"HTTP/1.1 20", []),
        (b"HTTP/1.1 200HTTP/1.1 200 OK", []),
        (b"HTTP/1.1 2000 OK", []),
        (b"ICY 200 OK", []),
        (b"", []),
    ],
)
def test_what_browsers_refuse_is_refused(status: bytes, lines: list[bytes]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read_response_head([status, *lines])


def test_http10_has_no_chunks() -> None:
    read = read_response_head([b"HTTP/1.0 200 OK", b"Transfer-Encoding: chunked", b"Content-Length: 5"])
    assert http1.expected_http_body_size(GET, read) == 5
    assert "transfer-encoding" not in read.headers
