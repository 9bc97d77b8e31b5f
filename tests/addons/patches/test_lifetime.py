"""A browser's connection ends with the site's: nothing that was broken is used again."""

from collections.abc import Iterator

import h2.config
import h2.connection
import h2.events
import pytest
from h2.errors import ErrorCodes
from hyperframe.frame import RstStreamFrame

from addons.layers import Played, Streaming, patched
from support.lifetime_samples import GET, POST, Talk

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture
def listening() -> Iterator[Streaming]:
    with patched() as streaming:
        yield streaming


def test_an_idle_connection_ends_when_the_site_ends_it(listening: Streaming) -> None:
    played = Played(b"http/1.1")
    played.asks(GET)
    played.answers(OK)
    assert not played.browser_gone
    played.leaves(played.server)
    assert (played.browser_gone, played.dialled, listening.failed) == (True, 0, [])
    assert played.said[played.client] == OK


@pytest.mark.parametrize("alpn", [b"http/1.1", b"h2"])
def test_one_that_was_never_used_ends_too(listening: Streaming, alpn: bytes) -> None:
    played = Played(alpn)
    played.leaves(played.server)
    assert played.browser_gone


def test_over_http2_the_browser_is_told_to_open_another(listening: Streaming) -> None:
    talk = Talk()
    talk.ask()
    talk.answer()
    talk.played.leaves(talk.played.server)
    talk.pass_on()
    (end,) = talk.got(h2.events.ConnectionTerminated)
    assert (end.error_code, end.last_stream_id, talk.played.browser_gone) == (ErrorCodes.NO_ERROR, 1, True)
    assert (talk.played.dialled, listening.failed) == (0, [])


def test_what_is_under_way_to_a_slow_browser_arrives_before_the_end(listening: Streaming) -> None:
    talk = Talk()
    talk.ask()
    talk.site.send_headers(1, [(":status", "200")])
    for number in range(5):
        talk.site.send_data(1, bytes(16_000), end_stream=number == 4)
        talk.pass_on()
    talk.played.leaves(talk.played.server)
    assert not talk.played.browser_gone, "more than its window of 65,535, and it has not said that it may have more"
    talk.browser.increment_flow_control_window(1 << 20)
    talk.browser.increment_flow_control_window(1 << 20, 1)
    more, goaway = talk.browser.data_to_send(), talk.played.said[talk.played.client]
    assert goaway[3] == 7 and len(goaway) == 17, "the frame alone"
    talk.played.said[talk.played.client] = b""
    talk.played.asks(more)
    talk.pass_on()
    assert sum(len(event.data) for event in talk.got(h2.events.DataReceived)) == 80_000
    assert talk.got(h2.events.StreamEnded) and talk.played.browser_gone


def test_a_request_that_crosses_the_end_may_be_asked_again_and_is_not_dialled_for(listening: Streaming) -> None:
    """The browser asked before it heard; RFC 9113 lets it ask again, whatever it asked for."""
    talk = Talk()
    talk.ask()
    talk.answer(end=False)
    talk.browser.send_headers(3, POST, end_stream=True)
    crossing = talk.browser.data_to_send()
    talk.played.layer.ending = True  # type: ignore[attr-defined]
    talk.played.asks(crossing)
    said = talk.played.said[talk.played.client]
    reset = RstStreamFrame(3, error_code=ErrorCodes.REFUSED_STREAM).serialize()
    assert (reset in said, talk.played.dialled, talk.played.browser_gone) == (True, 0, False)
    talk.site.send_data(1, b"!", end_stream=True)
    talk.played.answers(talk.site.data_to_send())
    assert talk.played.said[talk.played.client].endswith(b"!") or b"!" in talk.played.said[talk.played.client]
    assert talk.played.browser_gone


def test_requests_that_wait_for_a_place_are_given_back(listening: Streaming) -> None:
    """A site that takes one at a time has never heard of the second."""
    talk = Talk()
    talk.site.update_settings({h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: 1})
    talk.pass_on()
    talk.ask()
    talk.ask(stream=3)
    talk.played.leaves(talk.played.server)
    talk.pass_on()
    assert [event.stream_id for event in talk.got(h2.events.StreamReset)][-1] == 3
    assert talk.played.browser_gone


def test_a_site_that_leaves_while_it_is_asked_is_left_to_the_browser(listening: Streaming) -> None:
    """It sees its connection end, as it would directly, and does what it would do then."""
    for talk in (Talk(), Talk()):
        talk.ask()
        talk.played.leaves(talk.played.server)
        talk.pass_on()
        assert talk.played.browser_gone and not talk.got(h2.events.ConnectionTerminated)
    assert [failed.by_site for failed in listening.failed] == [True, True]
    played = Played(b"http/1.1")
    played.asks(GET)
    played.leaves(played.server)
    assert played.browser_gone and played.said[played.client] == b""
