"""Connections of the inspector: how they begin and end, and who waits for whom."""

import contextlib
import os
import select
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.connection_samples import ASK, YES, asked, kept
from support.hooks import CONNECT, HOST, Site, connected
from support.http1 import GET, OK, everything, head_of
from support.inspectors import inspector, told
from support.memory import ASK as H2_ASK
from support.memory import MIB, Talking, answering, plain, resident

SIZE = 100  # MiB


def test_a_slow_reader_of_a_large_answer_fills_no_memory(tmp_path: Path) -> None:
    sent = 0

    def serve(connection: ssl.SSLSocket) -> None:
        nonlocal sent
        head_of(connection)
        connection.sendall(OK + b"Content-Length: %d\r\n\r\n" % (SIZE * MIB))
        for _ in range(SIZE):
            connection.sendall(bytes(MIB))
            sent += 1

    with Site(serve, "http/1.1") as site, inspector(site, tmp_path) as (process, port):
        before = resident(process.pid)
        with connected(tmp_path / "root.pem", 0, "http/1.1", proxy=port) as connection:
            connection.sendall(GET)
            time.sleep(1.5)
            assert sent < SIZE / 2, "as much as the system's buffers take, and no more"
            assert resident(process.pid) < before + 30
            read = 0
            while data := connection.recv(65536):
                read += len(data)
            assert read > SIZE * MIB
        assert resident(process.pid) < before + 30


def test_a_site_that_does_not_answer_is_told_to_the_front_before_tls(tmp_path: Path) -> None:
    with Site(lambda connection: None) as site:
        with socket.create_server(("127.0.0.1", 0)) as closed:
            site.port = closed.getsockname()[1]
        with inspector(site, tmp_path) as (_, port), socket.create_connection(("127.0.0.1", port), 10) as front:
            front.sendall(CONNECT)
            assert front.recv(4096).startswith(b"HTTP/1.1 502 ")
            assert front.recv(4096) == b""


def test_what_is_no_tls_passes_as_it_is(tmp_path: Path) -> None:
    plain = socket.create_server(("127.0.0.1", 0))

    def echo() -> None:
        connection, _ = plain.accept()
        while data := connection.recv(100):
            connection.sendall(data)
        connection.close()

    threading.Thread(target=echo, daemon=True).start()
    with Site(lambda connection: None) as site:
        site.port = plain.getsockname()[1]
        with inspector(site, tmp_path) as (_, port), socket.create_connection(("127.0.0.1", port), 10) as front:
            front.sendall(CONNECT)
            assert front.recv(4096).startswith(b"HTTP/1.1 200 ")
            for words in (b"S", b"SH-2.0-x\r\n"):
                front.sendall(words)
            heard = b""
            while len(heard) < 10:
                heard += front.recv(100)
            assert heard == b"SSH-2.0-x\r\n"[: len(heard)]
    plain.close()


def test_an_upload_and_its_answer_pass_each_other(tmp_path: Path) -> None:
    """The site answers while it still reads; neither waits for the other."""

    def serve(connection: ssl.SSLSocket) -> None:
        body = len(head_of(connection).partition(b"\r\n\r\n")[2])
        connection.sendall(OK + b"Content-Length: %d\r\n\r\n" % MIB)
        while body < 8 * MIB:
            body += len(connection.recv(65536))
            if body >= MIB and not done:
                connection.sendall(bytes(MIB))
                done.append(True)

    done: list[bool] = []
    with (
        Site(serve, "http/1.1") as site,
        inspector(site, tmp_path) as (_, port),
        connected(tmp_path / "root.pem", 0, "http/1.1", proxy=port) as connection,
    ):
        connection.sendall(GET.replace(b"GET", b"POST").removesuffix(b"\r\n"))
        connection.sendall(b"Content-Length: %d\r\n\r\n" % (8 * MIB))
        for _ in range(8):
            connection.sendall(bytes(MIB))
        assert everything(connection).endswith(bytes(MIB))


def test_a_browser_dials_anew_after_each_end_and_a_site_that_was_away_is_forgotten(tmp_path: Path) -> None:
    """Before, one failed dial was kept: that browser got 502, with a page of mitmproxy, until it was restarted."""

    def serve(connection: ssl.SSLSocket) -> None:
        head_of(connection)
        connection.sendall(YES)

    with Site(serve, "http/1.1") as site, inspector(site, tmp_path) as (_, port):
        for _ in range(3):
            with connected(tmp_path / "root.pem", 0, "http/1.1", proxy=port) as connection:
                assert asked(connection) == YES
                assert connection.recv(100) == b"", "it ends with the site's"
        site.leave()
        with socket.create_connection(("127.0.0.1", port), 10) as front:
            front.sendall(CONNECT)
            assert front.recv(4096).startswith(b"HTTP/1.1 502 "), "to the front, which splices then"
        site.reinspect()
        with connected(tmp_path / "root.pem", 0, "http/1.1", proxy=port) as connection:
            assert asked(connection) == YES


def test_a_name_with_a_dot_at_its_end_is_looked_into_under_its_own(tmp_path: Path) -> None:
    """Before, it hung: an exception before the handshake left half of one."""
    with Site(kept, "http/1.1") as site, inspector(site, tmp_path) as (_, port):
        plain_one = socket.create_connection(("127.0.0.1", port), 20)
        plain_one.sendall(CONNECT)
        assert plain_one.recv(4096).startswith(b"HTTP/1.1 200 ")
        context = ssl.create_default_context(cafile=str(tmp_path / "root.pem"))
        context.check_hostname = False  # which a browser does without the dot
        with context.wrap_socket(plain_one, server_hostname=f"{HOST}.") as connection:
            assert asked(connection) == YES
        assert site.names == [HOST]


def test_a_site_that_wants_a_client_certificate_is_left_alone_after_it_said_so(tmp_path: Path) -> None:
    """Under TLS 1.3 it says so after the handshake; before, the request hung, and the next one too."""
    with Site(kept, "http/1.1") as site, inspector(site, tmp_path) as (process, port):
        site._context.verify_mode = ssl.CERT_REQUIRED
        site._context.load_verify_locations(site.root_pem)
        for _ in range(3):  # the alert may be lost where the site's end comes as a reset: then three silences do
            with connected(tmp_path / "root.pem", 0, "http/1.1", proxy=port) as connection:
                assert asked(connection) == b""
            assert process.stdout
            if select.select([process.stdout], [], [], 2)[0]:
                break
        message = told(process)
        assert (message["type"], message["host"]) == ("demoted", HOST)
        assert message["reason"] in ("the site refuses our TLS", "the site's answers do not reach the browser")
        with pytest.raises((ssl.SSLError, OSError), match=r"(?i)certificate|alert|reset|EOF"):
            asked_or_raises(connected(site.root_pem, 0, "http/1.1", proxy=port))


def asked_or_raises(connection: ssl.SSLSocket) -> None:
    with connection:
        connection.sendall(ASK)
        connection.recv(100)


def test_an_answer_that_cannot_be_passed_is_told_and_the_next_connection_is_spliced(tmp_path: Path) -> None:
    def serve(connection: ssl.SSLSocket) -> None:
        head_of(connection)
        connection.sendall(b"HTTP/1.1 2x0 Odd\r\n\r\n")

    with Site(serve, "http/1.1") as site, inspector(site, tmp_path) as (process, port):
        with connected(tmp_path / "root.pem", 0, "http/1.1", proxy=port) as connection:
            assert asked(connection) == b"", "no page of ours"
        message = told(process)
        assert message["reason"] == "an answer of the site cannot be passed on"
        with connected(site.root_pem, 0, "http/1.1", proxy=port) as connection:
            assert asked(connection).startswith(b"HTTP/1.1 2x0 Odd")


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


class Elsewhere:
    """A machine of its own: a network namespace, with a wire to the one of the thread that makes it."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        number = self.do(self._enter)
        ip("link", "add", "v0", "type", "veth", "peer", "name", "v1", "address", "02:00:00:00:00:02",
           "netns", f"/proc/{os.getpid()}/task/{number}/ns/net")  # fmt: skip
        ip("address", "add", "10.9.9.1/24", "dev", "v0")
        ip("link", "set", "v0", "up")
        ip("neighbour", "add", "10.9.9.2", "lladdr", "02:00:00:00:00:02", "dev", "v0", "nud", "permanent")
        self.do(lambda: ip("link", "set", "v1", "up"))
        self.be_there(True)

    @staticmethod
    def _enter() -> int:
        os.unshare(os.CLONE_NEWNET)
        return threading.get_native_id()

    def do[T](self, what: Callable[[], T]) -> T:
        return self._thread.submit(what).result(30)

    def be_there(self, there: bool) -> None:
        """Have its address, or none: what comes for it is dropped without a word."""
        self.do(lambda: ip("address", "add" if there else "delete", "10.9.9.2/24", "dev", "v1"))


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root has networks of its own")
@pytest.mark.parametrize(("alpn", "seconds"), [("h2", 25), ("http/1.1", 60)])
def test_a_site_that_vanishes_without_a_word_is_given_up_in_time(tmp_path: Path, alpn: str, seconds: float) -> None:
    """No packet comes back, as after a sleep or behind another router. Before: 939 seconds."""

    def alone() -> None:
        os.unshare(os.CLONE_NEWNET)  # of this thread, and of the processes that it starts
        ip("link", "set", "lo", "up")
        far, site = Elsewhere(), Site(answering(plain) if alpn == "h2" else kept, alpn)
        site.address = "10.9.9.2"
        far.do(site.__enter__)
        with inspector(site, tmp_path) as (_, port):
            with connected(tmp_path / "root.pem", 0, alpn, proxy=port) as connection:
                once(connection, 1)
                far.be_there(False)
                began = time.monotonic()
                connection.settimeout(seconds)
                with pytest.raises(ConnectionError):
                    once(connection, 3)
                assert time.monotonic() - began < seconds
            far.be_there(True)
            with connected(tmp_path / "root.pem", 0, alpn, proxy=port) as connection:
                once(connection, 1)
        site.__exit__()

    def once(connection: ssl.SSLSocket, stream: int) -> None:
        if alpn != "h2":
            if asked(connection) != YES:
                raise ConnectionError
            return
        if stream == 1:
            talks.append(Talking(connection, client=True))
        talks[-1].talk.send_headers(stream, H2_ASK, end_stream=True)
        talks[-1].flush()
        while not any(type(event).__name__ == "StreamEnded" for event in talks[-1].events()):
            pass

    talks: list[Talking] = []
    with ThreadPoolExecutor(1) as thread:
        thread.submit(alone).result(180)


def sockets_of(pid: int) -> int:
    count = 0
    for one in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed just now
            count += "socket:" in str(one.readlink())
    return count


@pytest.mark.skipif(sys.platform != "linux", reason="another process's sockets are counted, as Linux can")
def test_twenty_tunnels_by_a_proxy_that_hangs_leave_no_socket(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=50) as hanging:
        config = tmp_path / "config"
        config.mkdir()
        (config / "policy.toml").write_text(f'[network]\nupstream = "http://127.0.0.1:{hanging.getsockname()[1]}"\n')
        with Site(kept) as site, inspector(site, tmp_path / "state", config=config) as (process, port):
            before = sockets_of(process.pid)
            fronts = [socket.create_connection(("127.0.0.1", port), 20) for _ in range(20)]
            for front in fronts:
                front.sendall(CONNECT)
            heard = [hanging.accept()[0] for _ in range(20)]
            for one in heard:
                assert one.recv(100)
            assert sockets_of(process.pid) == before + 40
            for front in fronts:
                front.close()
            until = time.monotonic() + 20
            while sockets_of(process.pid) != before and time.monotonic() < until:
                time.sleep(0.05)
            assert sockets_of(process.pid) == before
            for one in heard:
                one.close()
