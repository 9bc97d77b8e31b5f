"""No page of mitmproxy, whatever a site or a browser says: the connection ends, or the stream."""

from collections.abc import Iterator

import h2.events
import pytest
from h2.errors import ErrorCodes
from hypothesis import given, settings
from hypothesis import strategies as st

from addons.layers import ADDRESS, Played, Streaming, patched
from support.lifetime_samples import ASK, GET, POST, Talk

BAD_HEADS = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok", b"no head\r\n\r\n",
    b"HTTP/1.1 2x0 OK\r\n\r\n",
    b"\x00\x01\r\n\r\n",
]  # fmt: skip
NOWHERE = [(":method", "GET"), (":scheme", "gopher"), (":authority", "www.google.nl"), (":path", "/x")]
WORDS = [b"HTTP/1.1 ", b"200", b" OK", b"\r\n", b"Content-Length: ", b"3", b": ", b"Transfer-Encoding: chunked",
         b"zz\r\n", b"HTTP/2 ", b"\r\n\r\n", b" "]  # fmt: skip
BYTES = st.one_of(
    st.binary(max_size=200), st.sampled_from(BAD_HEADS), st.lists(st.sampled_from(WORDS), max_size=12).map(b"".join)
)  # fmt: skip


@pytest.fixture
def listening() -> Iterator[Streaming]:
    with patched() as streaming:
        yield streaming


def ours(said: bytes) -> list[bytes]:
    """What only mitmproxy would say."""
    return [word for word in (b"mitmproxy", b"Bad Gateway", b"Bad Request", ADDRESS.encode(), b"<h1>") if word in said]


@settings(max_examples=300, deadline=None)
@given(asked=BYTES, answered=BYTES, leaves=st.booleans())
def test_over_http1_nothing_of_mitmproxys_own_is_said_to_anybody(asked: bytes, answered: bytes, leaves: bool) -> None:
    for question in (GET, asked, GET.replace(b"www.google.nl", b""), b"CONNECT x:443 HTTP/1.1\r\n\r\n"):
        with patched():
            played = Played(b"http/1.1")
            try:
                played.asks(question)
                played.answers(answered)
                if leaves:
                    played.leaves(played.server)
            except (ValueError, IndexError):  # the connection ends then: connections
                pass
            for said in played.said.values():
                assert not ours(said)
            if question == GET:
                assert answered.endswith(played.said[played.client][-1:])


@settings(max_examples=200, deadline=None)
@given(answered=BYTES, status=st.sampled_from(["200", "", "abc", "99", "1000"]), leaves=st.booleans())
def test_over_http2_nothing_of_mitmproxys_own_is_said_to_anybody(answered: bytes, status: str, leaves: bool) -> None:
    with patched():
        talk = Talk()
        talk.ask()
        talk.site.config.validate_outbound_headers = False
        try:
            talk.site.send_headers(1, [(":status", status), ("bad name", "x")])
            sent = talk.site.data_to_send()
            talk.played.answers(sent, answered)
            if leaves:
                talk.played.leaves(talk.played.server)
        except (ValueError, IndexError):
            pass
        for said in talk.played.said.values():
            assert not ours(said)
        assert b"protocol error" not in b"".join(talk.played.said.values())


@pytest.mark.parametrize("answer", BAD_HEADS)
def test_a_head_that_cannot_be_passed_ends_the_connection_and_is_told(listening: Streaming, answer: bytes) -> None:
    played = Played(b"http/1.1")
    played.asks(GET)
    played.answers(answer)
    assert (played.said[played.client], played.browser_gone) == (b"", True)
    assert [(failed.unreadable, failed.by_site) for failed in listening.failed] == [(True, True)]


@pytest.mark.parametrize(("head", "code"), [(None, ErrorCodes.REFUSED_STREAM), (POST, ErrorCodes.PROTOCOL_ERROR)])
def test_over_http2_a_browser_asks_again_by_itself_for_what_may_be_asked_twice(
    listening: Streaming, head: list[tuple[str, str]] | None, code: ErrorCodes
) -> None:
    talk = Talk()
    talk.ask(**({"head": head} if head else {}))  # type: ignore[arg-type]
    talk.played.answers(b"\x00\x00\x01\x00\x00\x00\x00\x00\x01x")  # DATA where a head is expected
    talk.site.send_headers(1, [(":status", "200")], end_stream=True)
    talk.pass_on()
    assert [event.error_code for event in talk.got(h2.events.StreamReset)] == [code]
    assert talk.played.browser_gone and listening.failed[0].unreadable


@pytest.mark.parametrize("code", [ErrorCodes.REFUSED_STREAM, ErrorCodes.ENHANCE_YOUR_CALM, ErrorCodes.CANCEL, 4711])
def test_what_a_site_resets_a_stream_with_is_what_the_browser_gets(listening: Streaming, code: int) -> None:
    talk = Talk()
    for stream in (1, 3, 5):
        talk.ask(stream=stream)
        talk.site.reset_stream(stream, code)
        talk.pass_on()
    assert [event.error_code for event in talk.got(h2.events.StreamReset)] == [code] * 3
    assert not talk.played.browser_gone, "it is the site's to refuse, and the browser's to go on"


def test_two_failures_of_our_own_making_in_a_row_end_the_connection(listening: Streaming) -> None:
    for failing, gone in (([True, False, True, False], False), ([True, True], True)):
        talk = Talk()
        for number, fails in enumerate(failing):
            assert not talk.played.browser_gone
            stream = 2 * number + 1
            talk.ask(head=NOWHERE if fails else ASK, stream=stream)
            if not fails:
                talk.answer(stream=stream // 4 * 2 + 1)  # the site's own number of it
        assert talk.played.browser_gone is gone, failing
        assert bool(talk.got(h2.events.ConnectionTerminated)) is gone
