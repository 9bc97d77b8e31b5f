"""A site that has gone without a word is noticed in the time in which a browser would."""

import time
from collections.abc import Iterator

import h2.events
import pytest
from mitmproxy.proxy import events

from addons.layers import patched
from bewust_addons.patches.liveness import ANSWER_SECONDS, RISK_SECONDS, SILENT_SECONDS, LivenessWakeup
from support.lifetime_samples import Talk


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    made = Clock()
    monkeypatch.setattr(time, "monotonic", made.monotonic)
    with patched():
        yield made


def wait(talk: Talk, clock: Clock, seconds: float, *, answering: bool) -> None:
    """Let time pass, with the wake-ups that were asked for; a site that answers answers PINGs, too."""
    until = clock.now + seconds
    while talk.played.wakeups and talk.played.wakeups[0][0] <= until:
        clock.now, wakeup = talk.played.wakeups.pop(0)
        talk.played.play(events.Wakeup(wakeup))
        if answering:
            talk.pass_on()
    clock.now = until


def pings(talk: Talk) -> int:
    return sum(isinstance(event, h2.events.PingReceived) for event in talk.asked)


def test_one_that_answers_no_ping_is_given_up_and_the_browsers_connection_with_it(clock: Clock) -> None:
    talk = Talk()
    talk.ask()
    wait(talk, clock, SILENT_SECONDS + ANSWER_SECONDS - 0.1, answering=False)
    assert not talk.played.site_gone
    wait(talk, clock, 0.2, answering=False)
    assert (talk.played.site_gone, talk.played.browser_gone) == (True, True)


def test_one_that_was_silent_for_long_is_asked_with_the_next_request(clock: Clock) -> None:
    talk = Talk()
    talk.ask()
    talk.answer()
    wait(talk, clock, RISK_SECONDS, answering=True)
    before = pings(talk)
    talk.browser.send_headers(
        3, [(":method", "GET"), (":scheme", "https"), (":authority", "x"), (":path", "/")], end_stream=True
    )
    talk.played.asks(talk.browser.data_to_send())
    wait(talk, clock, ANSWER_SECONDS, answering=False)
    assert talk.played.browser_gone
    talk.asked += talk.site.receive_data(talk.played.said[talk.played.server])
    assert pings(talk) == before + 1


def test_an_answer_that_takes_ten_minutes_is_waited_for(clock: Clock) -> None:
    talk = Talk()
    talk.ask()
    wait(talk, clock, 600, answering=True)
    talk.answer()
    assert talk.got(h2.events.StreamEnded) and not talk.played.browser_gone
    assert pings(talk) > 30


def test_nobody_is_asked_while_nobody_waits(clock: Clock) -> None:
    talk = Talk()
    talk.ask()
    talk.answer()
    wait(talk, clock, 60, answering=True)
    assert not any(isinstance(wakeup, LivenessWakeup) for _, wakeup in talk.played.wakeups)
    wait(talk, clock, 3600, answering=True)
    assert (pings(talk), talk.played.site_gone) == (0, False)


def test_a_site_that_we_do_not_read_or_still_send_to_is_not_given_up(clock: Clock) -> None:
    """Its answer would wait behind what a slow browser does not take, or our PING behind an upload."""
    talk = Talk()
    talk.ask()
    talk.played.server.paused = True
    wait(talk, clock, 120, answering=False)
    assert not talk.played.site_gone
    talk = Talk()
    talk.browser.send_headers(1, [(":method", "POST"), (":scheme", "https"), (":authority", "x"), (":path", "/")])
    talk.pass_on()
    wait(talk, clock, 120, answering=False)
    assert not talk.played.site_gone
