"""The catalogue on live traffic: bodies that decide, internal pages, and a folder that changes and breaks."""

import json
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from e2e.agents import RunningAgent, wait_for
from e2e.conftest import settings
from e2e.world import World

OURS = """
[[service]]
id = "ours"
name = "Ours"
vendor = "Us"
context = "search"
embedded = true
evidence = "We built it ourselves, and this is a test."
reviewed = 2026-11-24
  [[service.signature]]
  id = "big"
  level = "use"
  hosts = ["www.bing.com"]
  path = "/big"
"""
PROMPT = {"model": "m", "messages": [{"role": "user", "content": "x" * 200_000}]}
TRANSLATE = "https://edge.microsoft.com/translate/translatetext"


@pytest.fixture
def organised(tmp_path: Path) -> Iterator[RunningAgent]:
    """An agent with a folder of an organisation, in a world on any free port."""
    config = tmp_path / "config"
    (config / "services").mkdir(parents=True)
    with World() as world, RunningAgent(msgspec.structs.replace(settings(world, tmp_path), config=config)) as agent:
        yield agent


def problems(agent: RunningAgent) -> list[str]:
    """What is wrong, other than that no desktop shows toasts here."""
    return [problem for problem in agent.status()["problems"] if not problem.startswith("toasts")]


def client(agent: RunningAgent, *, http2: bool = False) -> httpx.Client:
    trust = ssl.create_default_context(cafile=str(agent.root_pem))
    return httpx.Client(proxy=f"http://127.0.0.1:{agent.port}", verify=trust, http2=http2, trust_env=False)


@pytest.mark.parametrize("http2", [False, True], ids=["HTTP/1.1", "HTTP/2"])
def test_a_prompt_is_known_by_the_shape_of_its_body_and_arrives_whole(organised: RunningAgent, http2: bool) -> None:
    with client(organised, http2=http2) as browser:
        body = json.dumps(PROMPT).encode()
        assert browser.post("https://www.bing.com/v1/messages", content=body).text == "nothing"
        organised.wait_counts({("openai-compatible", "use"): 1})
        assert browser.post("https://www.bing.com/echo", content=body).text == str(len(body))
        assert browser.post("https://www.bing.com/v1/messages", json={"to": "a", "messages": ["hi"]}).text == "nothing"
    assert organised.counts() == {("openai-compatible", "use"): 1, ("openai-compatible", "reminded"): 1}


def test_a_page_of_ones_own_sent_to_a_translator_gets_the_strong_reminder(organised: RunningAgent) -> None:
    with client(organised) as browser:
        browser.post(TRANSLATE, json=["Hallo"], headers={"Origin": "https://www.example.org"})
        organised.wait_counts({("edge-translate", "use"): 1, ("edge-translate", "reminded"): 1})
        browser.post(TRANSLATE, json=["Geheim"], headers={"Referer": "https://intranet/x"})
    organised.wait_counts({("edge-translate", "internal"): 1, ("edge-translate", "reminded"): 2})
    assert organised.counts()["edge-translate", "use"] == 1
    wait_for(lambda: len(organised.said) == 2, organised.alive, "it was not told")
    assert [said["text"] in ("R27", "R28") for said in organised.said] == [False, True]
    assert organised.said[1]["title"] == "Interne tekst naar Microsoft (Edge)"
    assert "intranet" not in json.dumps(organised.said)


def test_a_good_change_is_put_in_force_and_a_broken_one_keeps_what_was_good(organised: RunningAgent) -> None:
    config, starts = organised.settings.config, organised.status()["inspector_starts"]
    assert config is not None
    file = config / "services" / "ours.toml"
    file.write_text(OURS)
    wait_for(lambda: organised.status()["inspector_starts"] > starts, organised.alive, "it was not put in force")
    wait_for(lambda: organised.status()["inspector"] == "running", organised.alive, "no inspector came back")
    with client(organised) as browser:
        browser.get("https://www.bing.com/big")
    organised.wait_counts({("ours", "use"): 1})

    file.write_text(OURS.replace("[[service]]", "[[service"))
    wait_for(lambda: bool(problems(organised)), organised.alive, "the mistake was not told")
    (problem,) = problems(organised)
    assert problem.startswith(f"{file}: file: is not TOML")
    assert problem.endswith("what was last right stays in force.")
    organised.stop()

    # Also after a start anew, when nothing is in memory any more.
    with RunningAgent(organised.settings) as again:
        assert problems(again) == [problem]
        with client(again) as browser:
            browser.get("https://www.bing.com/big")
        again.wait_counts({("ours", "use"): 2})
        file.write_text(OURS)
        wait_for(lambda: not problems(again), again.alive, "the mended file was not put in force")
