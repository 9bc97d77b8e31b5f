"""Where machines reach the web only by the organisation's own proxy: all is seen as without, and goes by it."""

from pathlib import Path

import msgspec
import pytest

from e2e.agents import RunningAgent
from e2e.conftest import Open, settings
from e2e.proxies import Proxy
from e2e.world import World


@pytest.fixture
def chained(world: World, tmp_path: Path) -> tuple[Proxy, RunningAgent]:
    proxy = Proxy(world.resolver)
    config = tmp_path / "config"
    config.mkdir()
    (config / "policy.toml").write_text(f'[network]\nupstream = "{proxy.url}"\n')
    # No resolver: what the agent reaches it reaches by the proxy.
    return proxy, RunningAgent(msgspec.structs.replace(settings(world, tmp_path), config=config, resolver={}))


def test_everything_goes_by_the_other_proxy(chained: tuple[Proxy, RunningAgent], open_browser: Open) -> None:
    proxy, agent = chained
    with proxy, agent, open_browser(agent) as browser:
        browser.goto("https://www.google.nl/search?q=inline")
        assert "the tide turns twice a day" in browser.text()
        browser.goto("https://chatgpt.com/")
        browser.goto("https://www.example.org/")
        agent.wait_counts({("google-ai-overview", "use"): 1, ("google-ai-overview", "reminded"): 1,
                           ("chatgpt", "visit"): 1})  # fmt: skip
        assert {"www.google.nl", "chatgpt.com", "www.example.org"} <= set(proxy.asked)
        ways = agent.status()["connections"]
        assert ways.get("handed"), "inspected, and not spliced past the inspector"
