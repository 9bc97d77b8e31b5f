"""mitmproxy flow files become lines of Exchange, in a process of their own."""

import subprocess
import sys
from pathlib import Path

import msgspec
from mitmproxy.io import FlowWriter
from mitmproxy.test import tflow, tutils

from bewust.detection.recordings import Exchange
from bewust_addons.flowfile import exchanges


def write(path: Path) -> Path:
    page = tflow.tflow(resp=tutils.tresp(content=b"<p>hello"))
    page.request.url = "https://www.google.nl/search?q=x%20y"
    assert page.response
    page.response.headers["content-type"] = "text/html; charset=utf-8"
    page.response.headers["content-encoding"] = "identity"
    unanswered = tflow.tflow()
    unanswered.request.url = "https://chatgpt.com/backend-api/f/conversation"
    with path.open("wb") as file:
        for flow in (page, tflow.ttcpflow(), unanswered, tflow.twebsocketflow()):
            FlowWriter(file).add(flow)
    return path


def test_http_flows_are_read_and_numbered_among_all(tmp_path: Path) -> None:
    page, unanswered, socket = exchanges(write(tmp_path / "a.flow"))
    assert (page.entry, page.seen.host, page.seen.path, dict(page.seen.query)) == (
        0, "www.google.nl", "/search", {"q": ("x y",)},
    )  # fmt: skip
    assert (page.type, page.encoding, page.status, page.body) == ("text/html", "identity", 200, b"<p>hello")
    assert (unanswered.entry, unanswered.seen.host, unanswered.status) == (2, "chatgpt.com", 0)
    assert socket.seen.websocket


def run(path: Path) -> tuple[int, list[Exchange]]:
    command = [sys.executable, "-m", "bewust_addons.flowfile", str(path)]
    done = subprocess.run(command, capture_output=True)
    assert done.stderr == b""
    return done.returncode, [msgspec.json.decode(line, type=Exchange) for line in done.stdout.splitlines()]


def test_as_a_process_it_writes_one_line_each(tmp_path: Path) -> None:
    code, lines = run(write(tmp_path / "a.flow"))
    assert (code, [line.entry for line in lines]) == (0, [0, 2, 3])


def test_a_file_cut_short_gives_what_came_before_and_exit_one(tmp_path: Path) -> None:
    whole = write(tmp_path / "a.flow").read_bytes()
    cut = tmp_path / "cut.flow"
    cut.write_bytes(whole[:-40])
    code, lines = run(cut)
    assert code == 1
    assert [line.entry for line in lines] == [0, 2]
    assert run(tmp_path / "absent.flow") == (1, [])


def test_a_flow_without_its_keys_is_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """mitmproxy raises a KeyError; found by fuzzing."""
    broken = tmp_path / "broken.flow"
    broken.write_bytes(write(tmp_path / "a.flow").read_bytes().replace(b"11:intercepted", b"11:intercepteX"))
    assert run(broken) == (1, [])


def test_bytes_that_are_no_text_do_not_lose_the_file(tmp_path: Path) -> None:
    strange = tflow.tflow()
    strange.request.path = "/\udcff"
    strange.request.headers["origin"] = b"https://\xff\xfe"
    path = tmp_path / "strange.flow"
    with path.open("wb") as file:
        for flow in (strange, tflow.tflow()):
            FlowWriter(file).add(flow)
    code, lines = run(path)
    assert (code, [line.entry for line in lines]) == (0, [0, 1])
