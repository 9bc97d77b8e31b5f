"""The page over real HTTP on the agent's own port: who gets what."""

import asyncio
import http.client
import json
from collections.abc import Callable
from pathlib import Path

from agent.test_app import agent, run_a_moment

type Answer = tuple[int, dict[str, str], bytes]


def ask(port: int, path: str, method: str = "GET", **headers: str) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    result = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    connection.close()
    return result


def with_page(tmp_path: Path, test: Callable[[int, str], None]) -> None:
    made = agent(tmp_path)
    failures: list[BaseException] = []

    def look() -> None:
        try:
            test(made.port, made.token)
        except BaseException as error:  # noqa: BLE001 - raised again below, in the test's own thread
            failures.append(error)

    run_a_moment(made, look)
    if failures:
        raise failures[0]


def test_the_home_page_says_in_dutch_what_is_seen_and_holds_no_count(tmp_path: Path) -> None:
    def test(port: int, token: str) -> None:
        status, headers, body = ask(port, "/")
        page = body.decode()
        assert status == 200
        for words in (
            "Wat Bewust nooit ziet",
            "Alleen de naam",
            "Waar Bewust in kijkt",
            "www.google.nl",
            "chatgpt.com",
        ):
            assert words in page
        assert token not in page
        assert "script-src" not in headers["content-security-policy"] and "default-src 'none'" in str(headers)
        assert ask(port, "/style.css")[1]["content-type"].startswith("text/css")

    with_page(tmp_path, test)


def test_a_name_that_a_stranger_points_here_is_refused(tmp_path: Path) -> None:
    def test(port: int, token: str) -> None:
        for path in ("/", "/proxy.pac", "/status.json"):
            assert ask(port, path, Host="evil.example")[0] == 400
        assert ask(port, "/", Host=f"localhost:{port}")[0] == 200

    with_page(tmp_path, test)


def test_status_and_counts_need_the_token(tmp_path: Path) -> None:
    def test(port: int, token: str) -> None:
        for path in ("/status.json", "/counts.json"):
            assert ask(port, path)[0] == 403
            assert ask(port, path, Authorization="Bearer é".encode().decode("latin-1"))[0] == 403
            status, _, body = ask(port, path, Authorization=f"Bearer {token}")
            assert status == 200 and json.loads(body)

    with_page(tmp_path, test)


def test_the_pac_is_served_as_one_and_other_paths_and_methods_are_refused(tmp_path: Path) -> None:
    def test(port: int, token: str) -> None:
        status, headers, body = ask(port, "/proxy.pac")
        assert status == 200 and headers["content-type"].startswith("application/x-ns-proxy-autoconfig")
        assert f"PROXY 127.0.0.1:{port}; DIRECT".encode() in body
        assert ask(port, "/etc/passwd")[0] == 404
        assert ask(port, "/", method="POST")[0] == 405

    with_page(tmp_path, test)


def test_several_requests_on_one_connection_are_answered_in_turn(tmp_path: Path) -> None:
    def test(port: int, token: str) -> None:
        async def main() -> int:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            one = b"GET /proxy.pac HTTP/1.1\r\nHost: localhost\r\n"
            writer.write(one + b"\r\n" + one + b"Connection: close\r\n\r\n")
            answers = (await asyncio.wait_for(reader.read(), 10)).count(b"HTTP/1.1 200")
            writer.close()
            return answers

        assert asyncio.run(main()) == 2

    with_page(tmp_path, test)
