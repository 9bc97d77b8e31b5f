"""One connection: its head, its way, its hand-over, and what it carries."""

import asyncio
import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bewust.proxy import connection
from bewust.proxy.outbound import ServerConnection
from support.connection_samples import answering, echo, hush, play
from support.proxies import BY_NAME, DECRYPTED, Stage, connect, stage, until


@pytest.mark.parametrize(
    ("head", "answer"),
    [
        (b"rubbish\r\n\r\n", b"HTTP/1.1 400"),
        (b"CONNECT example.org HTTP/1.1\r\n\r\n", b"HTTP/1.1 400"),
        (b"CONNECT :443 HTTP/1.1\r\n\r\n", b"HTTP/1.1 400"),
        (b"CONNECT example.org:0 HTTP/1.1\r\n\r\n", b"HTTP/1.1 400"),
        (b"CONNECT example.org:99999 HTTP/1.1\r\n\r\n", b"HTTP/1.1 400"),
        (b"GET http://example.org/ HTTP/1.1\r\n\r\n", b"HTTP/1.1 405"),
        (b"CONNECT example.org:443 HTTP/1.1\r\nX: " + b"y" * (17 << 10), b"HTTP/1.1 431"),
        (b"GET /proxy.pac HTTP/1.1\r\n\r\n", b"page:GET /proxy.pac"),
        (connect("127.0.0.1"), b"HTTP/1.1 403"),
    ],
    ids=lambda value: value[:30].decode("latin-1"),
)
def test_every_head_gets_its_answer(head: bytes, answer: bytes) -> None:
    async def test(made: Stage) -> None:
        if head == connect("127.0.0.1"):  # a port that does answer, and still may not be reached
            reader, _ = await made.browser(connect(f"127.0.0.1:{made.port}"))
        else:
            reader, _ = await made.browser(head)
        assert (await reader.read(100)).startswith(answer)

    play(test)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.binary(max_size=300) | st.sampled_from([b"\r\n\r\n", b"CONNECT ", b" HTTP/1.1", b"/"]), max_size=6))
def test_no_bytes_whatever_close_the_port(pieces: list[bytes]) -> None:
    async def test(made: Stage) -> None:
        _, writer = await made.browser(b"".join(pieces))
        writer.close()
        reader, writer = await made.connect("www.example.org")
        writer.write(b"still here")
        assert await reader.readexactly(15) == b"site:still here"

    play(test)


def test_a_head_may_come_byte_by_byte_and_what_follows_it_is_not_lost() -> None:
    async def test(made: Stage) -> None:
        reader, writer = await made.browser(b"")
        for byte in connect("www.example.org"):
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        await reader.readuntil(b"\r\n\r\n")
        early, _ = await made.connect("www.example.org", early=b"hello")
        assert await early.readexactly(10) == b"site:hello"

    play(test)


def test_a_half_close_passes_on_and_the_answer_still_arrives() -> None:
    async def test(made: Stage) -> None:
        reader, writer = await made.connect("www.example.org")
        writer.write(b"all")
        writer.write_eof()
        assert await reader.read() == b"site:allend"

    play(test)


def test_a_site_that_cannot_be_reached_is_a_502(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(made: Stage) -> None:
        made.front._resolver = {"www.example.org": "127.0.0.1:1"}
        reader, _ = await made.browser(connect("www.example.org"))
        assert (await reader.read(12)) == b"HTTP/1.1 502"

    play(test)


async def never(link: object) -> ServerConnection:
    """A site that does not answer, not even with a refusal."""
    await asyncio.Event().wait()
    raise AssertionError


def test_a_site_that_does_not_answer_is_a_502_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "DIAL_SECONDS", 0.1)

    async def test(made: Stage) -> None:
        monkeypatch.setattr(made.front, "dial", never)
        reader, _ = await made.browser(connect(BY_NAME))
        assert (await asyncio.wait_for(reader.read(), 5)).startswith(b"HTTP/1.1 502")

    play(test)


def test_a_site_that_does_not_answer_matters_no_more_once_the_inspector_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "DIAL_SECONDS", 0.1)

    async def test(made: Stage) -> None:
        made.front.inspector_down()
        monkeypatch.setattr(made.front, "dial", never)
        reader, writer = await made.browser(connect(DECRYPTED))
        await until(lambda: made.front.routes() == {"failed-open": 1})
        made.front.inspector_up(made.inspector_port)
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.2)
        writer.write(b"hi")
        assert await reader.readexactly(12) == b"inspected:hi"

    play(test, answering(echo))


def test_a_host_to_look_into_goes_to_the_inspector_and_others_do_not() -> None:
    async def test(made: Stage) -> None:
        for host, expected in [(DECRYPTED, b"inspected:hi"), (BY_NAME, b"site:hi"), (f"{DECRYPTED}:8443", b"site:hi")]:
            made.front._resolver = {**made.front._resolver}
            reader, writer = await made.connect(host)
            writer.write(b"hi")
            assert await reader.readexactly(len(expected)) == expected
        made.listener.refused.add(DECRYPTED)
        reader, writer = await made.connect(DECRYPTED)
        writer.write(b"hi")
        assert await reader.readexactly(7) == b"site:hi"
        assert made.front.routes() == {"handed": 1, "spliced": 3}

    play(test, answering(echo))


def test_without_an_inspector_a_host_is_spliced_and_counts_nothing() -> None:
    async def test(made: Stage) -> None:
        made.reply = b"x" * 20_000
        reader, _ = await made.connect(DECRYPTED)
        assert len(await reader.readexactly(20_000)) == 20_000
        assert made.front.routes() == {"failed-open": 1}
        assert made.listener.visits == []

    play(test)


def test_an_inspector_that_dies_before_its_first_byte_is_replaced_unnoticed() -> None:
    async def dies(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(5)

    async def test(made: Stage) -> None:
        reader, writer = await made.connect(DECRYPTED)
        writer.write(b"hello")
        assert await reader.readexactly(10) == b"site:hello"
        assert made.said == [bytearray(b"hello")], "the site hears exactly what the browser said, once"

    play(test, answering(dies))


def test_what_comes_right_behind_the_inspectors_answer_is_not_lost() -> None:
    async def speaks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"first")
        await echo(reader, writer)

    async def test(made: Stage) -> None:
        reader, writer = await made.connect(DECRYPTED)
        assert await reader.readexactly(5) == b"first"
        writer.write(b"hi")
        assert await reader.readexactly(12) == b"inspected:hi"

    play(test, answering(speaks))


def test_the_inspector_is_shown_the_secret_and_no_site_or_proxy_is() -> None:
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await echo(reader, writer)
        writer.close()

    async def test(made: Stage) -> None:
        made.front.secret = "open sesame"
        reader, writer = await made.connect(DECRYPTED)
        writer.write(b"hi")
        assert await reader.readexactly(12) == b"inspected:hi"
        made.front.upstream = f"http://127.0.0.1:{made.inspector_port}"
        reader, writer = await made.connect(BY_NAME)
        writer.write(b"hi")
        assert await reader.readexactly(12) == b"inspected:hi"
        assert [b"open sesame" in head for head in heads] == [True, False]

    play(test, serve)


def test_a_browser_that_left_before_the_first_byte_is_not_spliced() -> None:
    async def test(made: Stage) -> None:
        _, writer = await made.connect(DECRYPTED)
        writer.close()
        await until(lambda: not made.front.links)
        await asyncio.sleep(0.1)
        assert made.said == []

    play(test, answering(hush))


def test_an_inspector_that_dies_after_its_first_byte_ends_the_connection() -> None:
    async def dies(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(5))
        await writer.drain()

    async def test(made: Stage) -> None:
        reader, writer = await made.connect(DECRYPTED)
        writer.write(b"hello")
        assert await reader.read() == b"hello"
        assert made.said == []

    play(test, answering(dies))


def test_a_refusing_inspector_is_passed_by() -> None:
    async def refuses(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
        writer.close()

    async def test(made: Stage) -> None:
        reader, writer = await made.connect(DECRYPTED)
        writer.write(b"hi")
        assert await reader.readexactly(7) == b"site:hi"

    play(test, refuses)


def test_a_frozen_inspector_is_passed_by_as_soon_as_it_is_known_to_be() -> None:
    async def frozen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)
        writer.close()

    async def test(made: Stage) -> None:
        reader, writer = await made.browser(connect(DECRYPTED))
        await until(lambda: any(one.inspector for one in made.front.links))
        made.front.inspector_down()
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"hi")
        assert await reader.readexactly(7) == b"site:hi"
        assert made.front.routes() == {"failed-open": 1}

    play(test, frozen)


def test_a_visit_needs_eight_kib_back_and_is_told_again_after_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(made: Stage) -> None:
        made.reply = b"x" * (connection.VISIT_BYTES - 1)
        reader, writer = await made.connect(BY_NAME)
        await reader.readexactly(connection.VISIT_BYTES - 1)
        assert made.listener.visits == []
        writer.write(b"more")
        await reader.readexactly(9)
        assert made.listener.visits == [BY_NAME]
        writer.write(b"more")
        await reader.readexactly(9)
        assert made.listener.visits == [BY_NAME]
        monkeypatch.setattr(connection, "TOUCH_SECONDS", 0.0)
        writer.write(b"more")
        await reader.readexactly(9)
        assert made.listener.visits == [BY_NAME, BY_NAME]

    play(test)


def test_a_head_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.1)

    async def test(made: Stage) -> None:
        reader, _ = await made.browser(b"CONNECT ")
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(), 5)

    play(test)


# Our own page.


def test_nobody_takes_all_places_at_the_page_and_nobody_keeps_one_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "PAGES", 2)
    monkeypatch.setattr(connection, "PAGE_SECONDS", 2.0)

    async def main() -> None:
        async with stage() as made:
            kept = []
            for answer in (b"page:", b"page:", b"HTTP/1.1 503"):
                reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
                writer.write(b"GET /slow HTTP/1.1\r\n\r\n")
                assert (await asyncio.wait_for(reader.read(100), 5)).startswith(answer)
                kept.append((reader, writer))
            for reader, writer in kept:
                with contextlib.suppress(ConnectionError):
                    assert await asyncio.wait_for(reader.read(), 5) == b""
                writer.close()

    asyncio.run(main())
