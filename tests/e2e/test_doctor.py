"""The doctor's own eyes on the real agent: who is inspected, who passes, and who never comes."""

import os
import signal
from http.client import HTTPConnection

import pytest

from bewust.browsers import handshake
from bewust.config.rules import load_rules, local_now
from bewust.doctor import machine, route
from bewust.doctor.finding import DoctorContext, Finding, Verdict
from e2e.agents import RunningAgent, wait_for
from e2e.world import World

RULES = load_rules(None)
DECRYPTED, NAMED = ["www.google.com", "www.bing.com"], ["chatgpt.com"]


@pytest.fixture
def here(agent: RunningAgent, world: World, monkeypatch: pytest.MonkeyPatch) -> DoctorContext:
    """This machine, with the world's root in the system's store and its hosts as those that are tried."""
    monkeypatch.setenv("SSL_CERT_FILE", str(world.root_pem))  # where OpenSSL looks for the system's roots
    monkeypatch.setattr(handshake, "inspected", lambda matcher, preferred: DECRYPTED)
    monkeypatch.setattr(handshake, "by_name", lambda matcher, preferred: NAMED)
    return look(agent)


def look(agent: RunningAgent) -> DoctorContext:
    return DoctorContext(
        root=agent.settings.state.parent, state=agent.settings.state, root_pem=agent.root_pem, port=agent.port,
        managed=False, rules=RULES, now=local_now(RULES), status=agent.status(),
    )  # fmt: skip


def examined(here: DoctorContext) -> dict[str, Finding]:
    return {finding.id: finding for finding in [*route.check_route(here), *machine.check_service(here)]}


def test_the_three_ways_are_told_apart_by_handshakes_alone(
    here: DoctorContext, agent: RunningAgent, world: World
) -> None:
    found = examined(here)
    assert {finding.id: finding.what for finding in found.values() if finding.verdict is not Verdict.OK} == {}
    assert "www.google.com, www.bing.com" in found["decrypted"].what
    assert "chatgpt.com" in found["by-name"].what
    assert "directly" in found["direct"].what
    assert "trustme" in found["interceptor"].what, "who issued the site's own certificate was seen"
    assert world.hits == [], "no request was sent, to nobody"
    assert agent.counts() == {}, "a look of the doctor is nobody's use"


def test_a_dead_inspector_is_broken_with_a_remedy_and_well_again_when_it_is_back(
    here: DoctorContext, agent: RunningAgent
) -> None:
    starts = agent.status()["inspector_starts"]
    os.kill(agent.inspector_pid(), signal.SIGKILL)
    wait_for(lambda: agent.status()["inspector"] != "running", agent.alive, "it was not missed")
    found = route.decrypted(here)  # a second at most after it died; a new one takes longer to start
    down = {finding.id: finding for finding in machine.check_service(look(agent))}
    assert found.verdict is Verdict.BROKEN and "passed by undecrypted" in found.what and found.remedy
    assert down["inspector"].verdict is Verdict.DEGRADED and down["inspector"].remedy
    wait_for(lambda: agent.status()["inspector"] == "running", agent.alive, "no inspector came back")
    assert agent.status()["inspector_starts"] > starts
    assert examined(look(agent))["decrypted"].verdict is Verdict.OK


def test_an_agent_that_is_gone_is_broken(here: DoctorContext, agent: RunningAgent) -> None:
    agent.stop()
    found = examined(here)
    assert found["pac"].verdict is Verdict.BROKEN and found["pac"].remedy == "Start it: bewust run"
    assert found["decrypted"].verdict is found["by-name"].verdict is Verdict.UNKNOWN


def test_an_interceptor_behind_us_that_the_system_does_not_trust_is_noticed(
    here: DoctorContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(here.root_pem))
    found = examined(here)
    assert found["by-name"].verdict is Verdict.OK
    assert found["interceptor"].verdict is Verdict.DEGRADED


def test_what_may_be_fetched_without_the_token_is_the_pac_and_not_the_status(agent: RunningAgent, world: World) -> None:
    """An employee on a managed machine has no token, and the doctor looks all the same."""
    connection = HTTPConnection("127.0.0.1", agent.port, timeout=5)
    connection.request("GET", "/status.json")
    assert connection.getresponse().status == 403
    connection.close()
    assert isinstance(route.fetched(look(agent)), str)
