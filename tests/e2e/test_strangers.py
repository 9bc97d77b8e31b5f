"""Another login of the same machine, and a page of another site, against a real agent: neither gets anything."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from bewust.authority.authority import KEY_FILE
from e2e.agents import RunningAgent, ports_of
from e2e.conftest import settings
from e2e.world import World
from support.other_accounts import BERT, needs_root, play, said

pytestmark = [needs_root, pytest.mark.skipif(sys.platform != "linux", reason="plays another login with /proc")]

ASK = r"""
def ask(port, text):
    s = socket.create_connection(("127.0.0.1", port), timeout=10)
    s.sendall(text.replace("\n", "\r\n").encode())
    heard = b""
    while b"\r\n" not in heard:
        heard += s.recv(4096) or b"ended\r\n"
    return heard.split(b"\r\n")[0].decode()
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAgent]:
    folder = tmp_path_factory.mktemp("strangers")
    for part in (folder, *list(folder.parents)[:2]):
        part.chmod(0o755)  # nothing but the agent's own modes is in the way
    with World() as world, RunningAgent(settings(world, folder)) as agent:
        yield agent


def test_the_agent_and_its_inspector_listen_on_loopback_alone(running: RunningAgent) -> None:
    assert ports_of(running.process.pid) == {running.port}
    assert len(ports_of(running.inspector_pid())) == 1


def test_another_login_can_read_neither_the_key_nor_anything_else_of_the_state(running: RunningAgent) -> None:
    state = running.settings.state
    kept = [state, state / "authority" / KEY_FILE, *(path for path in state.rglob("*") if path.is_file())]
    script = """
for path in sys.argv[1:]:
    try:
        os.listdir(path) if path == sys.argv[1] else open(path, 'rb').read()
        print(path)
    except PermissionError:
        pass
"""
    assert len(kept) > 5 and all(path.exists() for path in kept)
    assert said(play(BERT, script, *kept)) == ""


@pytest.mark.parametrize("target", ["127.0.0.1:{}", "localhost:{}", "[::1]:{}", "169.254.169.254:80", "0.0.0.0:{}"])
def test_no_tunnel_leads_to_this_machine(running: RunningAgent, target: str) -> None:
    name = target.format(running.port)
    script = f'{ASK}print(ask(int(sys.argv[1]), "CONNECT {name} HTTP/1.1\\nHost: {name}\\n\\n"))'
    assert said(play(BERT, script, running.port)).split()[1] == "403"


def test_the_inspectors_own_port_is_no_way_out(running: RunningAgent) -> None:
    (port,) = ports_of(running.inspector_pid())
    lines = [
        "CONNECT www.google.nl:443 HTTP/1.1\\nHost: www.google.nl:443\\n\\n",
        f"CONNECT 127.0.0.1:{running.port} HTTP/1.1\\nHost: x\\n\\n",
        f"GET http://127.0.0.1:{running.port}/proxy.pac HTTP/1.1\\nHost: 127.0.0.1\\n\\n",
    ]
    script = ASK + "".join(f'print(ask(int(sys.argv[1]), "{line}"))\n' for line in lines)
    assert [line.split()[1] for line in said(play(BERT, script, port)).splitlines()] == ["407"] * 3


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ("GET /status.json HTTP/1.1\\nHost: 127.0.0.1\\n\\n", "403"),
        ("GET /counts.json HTTP/1.1\\nHost: 127.0.0.1\\nAuthorization: Bearer x\\n\\n", "403"),
        ("GET /nl/ HTTP/1.1\\nHost: rebound.example\\n\\n", "400"),
        ("GET /nl/kept/delete HTTP/1.1\\nHost: 127.0.0.1\\n\\n", "403"),
        (
            "POST /nl/kept/delete HTTP/1.1\\nHost: 127.0.0.1\\nContent-Length: 7\\n"
            "Content-Type: application/x-www-form-urlencoded\\n\\ntoken=x",
            "403",
        ),
        (
            "POST /nl/snooze HTTP/1.1\\nHost: 127.0.0.1\\nOrigin: https://evil.example\\nContent-Length: 10\\n"
            "Content-Type: application/x-www-form-urlencoded\\n\\nspan=today",
            "403",
        ),
    ],
    ids=["status", "counts", "a name that was rebound", "asking to delete", "deleting", "a form of another site"],
)
def test_the_page_does_and_tells_nothing_for_another_login(running: RunningAgent, request_: str, status: str) -> None:
    script = f'{ASK}print(ask(int(sys.argv[1]), "{request_}"))'
    assert said(play(BERT, script, running.port)).split()[1] == status


def test_the_secrets_are_in_no_command_line_and_no_environment_that_others_read(running: RunningAgent) -> None:
    look = "for p in sys.argv[1:]: print(open(f'/proc/{p}/cmdline').read().replace(chr(0), ' '))"
    shown = said(play(BERT, look, running.process.pid, running.inspector_pid()))
    assert "bewust_addons.main" in shown and running._running.token not in shown
    environment = subprocess.run(
        ["cat", f"/proc/{running.inspector_pid()}/environ"], capture_output=True, check=True
    ).stdout  # fmt: skip
    assert running._running.token.encode() not in environment
