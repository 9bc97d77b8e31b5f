"""One agent for a whole file of faults, and a program that goes through it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bewust.daemon.state import Settings
from e2e.agents import RunningAgent
from e2e.curl import curl
from e2e.world import World

SEARCH = "https://www.google.nl/search?q="
USE, SEEN = ("google-ai-overview", "use"), ("google-ai-overview", "seen")


class Machine:
    """A world, the settings of an agent in it, and a person with a browser that is curl."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world, self.folder = world, folder
        self.config = folder / "config"
        self.config.mkdir()
        self.settings = Settings(folder / "state", self.config, port=0, resolver=world.resolver, trust=world.root_pem)
        self.roots = folder / "roots.pem"  # what the person's browser trusts: the world, and us

    def start(self, env: dict[str, str] | None = None) -> RunningAgent:
        return RunningAgent(self.settings, env)

    def trust(self, agent: RunningAgent) -> None:
        self.roots.write_bytes(self.world.root_pem.read_bytes() + agent.root_pem.read_bytes())

    def browse(self, agent: RunningAgent, query: str = "weather", seconds: float = 5) -> str:
        """The status of a search."""
        self.trust(agent)
        return curl(agent.port, SEARCH + query, self.roots, seconds=seconds)

    def looks_in(self, agent: RunningAgent) -> bool:
        """Whether a search is decrypted: a program that trusts nobody but us gets its page."""
        return curl(agent.port, SEARCH + "weather", agent.root_pem) == "200"


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with World() as world:
        yield Machine(world, tmp_path_factory.mktemp("machine"))


@pytest.fixture(scope="module")
def running(machine: Machine) -> Iterator[RunningAgent]:
    with machine.start() as agent:
        machine.trust(agent)
        yield agent
