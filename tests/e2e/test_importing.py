"""An agent with an authority that the organisation signed, and clients that trust the organisation only."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from bewust.config.rules import load_rules
from e2e.agents import RunningAgent
from e2e.conftest import Open, settings
from e2e.world import World
from support.organisation_authority import imported


@pytest.fixture
def agent(world: World, tmp_path: Path) -> Iterator[RunningAgent]:
    """The product, whose intermediate an issuing authority under the organisation's root signed."""
    chosen = settings(world, tmp_path)
    root = imported(chosen.state / "authority", load_rules(None).matcher.decrypted_hosts())
    with RunningAgent(chosen) as running:
        assert running.root_pem.read_bytes() == root.read_bytes()
        yield running


def test_a_strict_client_takes_the_whole_chain(agent: RunningAgent) -> None:
    context = ssl.create_default_context(cafile=agent.root_pem)
    context.verify_flags |= ssl.VERIFY_X509_STRICT  # the default from Python 3.13 on
    with httpx.Client(proxy=f"http://127.0.0.1:{agent.port}", verify=context) as client:
        assert "the tide turns twice a day" in client.get("https://www.google.nl/search?q=inline").text
        agent.wait_counts({("google-ai-overview", "use"): 1})
        # Known by name: passed through, so that its own certificate is seen, of which this client knows nothing.
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            client.get("https://chatgpt.com/")


def test_browsers_that_trust_the_organisation_take_it(agent: RunningAgent, open_browser: Open) -> None:
    with open_browser(agent) as browser:
        browser.goto("https://www.google.nl/search?q=inline")
        assert "the tide turns twice a day" in browser.text()
        agent.wait_counts({("google-ai-overview", "use"): 1})
