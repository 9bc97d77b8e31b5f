"""No secret of a connection reaches the disk, whatever the agent was started with."""

from pathlib import Path

from e2e.agents import RunningAgent
from e2e.conftest import settings
from e2e.curl import curl
from e2e.world import World


def test_nobody_who_starts_it_has_the_keys_of_connections_written_down(tmp_path: Path) -> None:
    """Python and mitmproxy each do that for a variable which developers leave in their profile."""
    keys = {name: tmp_path / name for name in ("SSLKEYLOGFILE", "MITMPROXY_SSLKEYLOGFILE")}
    with World() as world:
        made = settings(world, tmp_path)
        with RunningAgent(made, env={name: str(path) for name, path in keys.items()}) as agent:
            assert curl(agent.port, "https://www.google.nl/", made.state / "authority" / "root.pem") == "200"
            assert agent.status()["connections"] or agent.status()["inspector"] == "running"
    assert not [name for name, path in keys.items() if path.exists()]
