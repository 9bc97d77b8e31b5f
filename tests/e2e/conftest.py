"""What the tests with real browsers share: a world, an agent in it, and two browsers."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import pytest

from bewust.browsers.launch import trust
from bewust.daemon.state import Settings
from e2e.agents import RunningAgent
from e2e.chromium import Chromium
from e2e.firefox import Firefox
from e2e.world import World


class Browser(Protocol):
    """What a test does with either browser."""

    def goto(self, url: str) -> Any: ...
    def text(self) -> str: ...
    def title(self) -> str: ...
    def evaluate(self, js: str, /) -> Any: ...


type Open = Callable[[RunningAgent], AbstractContextManager[Browser]]


@pytest.fixture
def world() -> Iterator[World]:
    """The origin, on the port that a browser without a proxy goes to where we may open that."""
    try:
        made = World(port=443)
    except PermissionError:
        pytest.skip("port 443 on loopback cannot be opened: a browser that falls back to DIRECT needs it")
    with made as here:
        yield here


@pytest.fixture
def agent(world: World, tmp_path: Path) -> Iterator[RunningAgent]:
    """The product, with the world as the only place it can reach."""
    with RunningAgent(settings(world, tmp_path)) as running:
        yield running


def settings(world: World, folder: Path) -> Settings:
    """How an agent in this world is started."""
    return Settings(state=folder / "state", port=0, resolver=world.resolver, trust=world.root_pem)


def roots(database: Path, world: World, agent: RunningAgent) -> None:
    """Trust the agent, and the world too, for what goes DIRECT."""
    trust(database, agent.root_pem)
    origin = database / "origin.pem"
    origin.write_bytes(world.root_pem.read_bytes())
    trust(database, origin)


@pytest.fixture(params=["chromium", "firefox"])
def open_browser(request: pytest.FixtureRequest, world: World, tmp_path: Path) -> Open:
    """Open the browser of this run, steered by an agent's PAC and trusting its root."""

    def chromium(agent: RunningAgent) -> AbstractContextManager[Browser]:
        home = tmp_path / "home"
        roots(home / ".pki" / "nssdb", world, agent)
        return Chromium(home, pac_url=agent.pac_url, resolver_rules=world.resolver_rules())

    def firefox(agent: RunningAgent) -> AbstractContextManager[Browser]:
        profile = tmp_path / "profile"
        roots(profile, world, agent)
        prefs: dict[str, str | int] = {"network.proxy.type": 2, "network.proxy.autoconfig_url": agent.pac_url}
        return Firefox(profile, prefs={**prefs, "network.http.http3.enable": False})

    return chromium if request.param == "chromium" else firefox
