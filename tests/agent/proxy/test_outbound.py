"""The ends towards a site and the inspector say whether a browser's connection can still be spliced."""

import asyncio
from collections.abc import Callable

import pytest

from bewust.proxy.outbound import InspectorConnection, ServerConnection
from bewust.proxy.relay import Buffer, RelayProtocol


class Browser:
    """The browser's end, as far as the other ends ask for it; `counting` is whether bytes still matter."""

    def __init__(self, counting: bool = True) -> None:
        self.buffer, self.plain = Buffer(), False
        self.replay: bytearray | None = bytearray(b"hello")
        self.inspector: InspectorConnection | None = None
        self.opened: list[RelayProtocol] = []
        self.counting, self.back, self.spliced = counting, 0, 0

    def count_bytes(self, count: int) -> bool:
        self.back += count
        return self.counting

    def splice_instead(self) -> None:
        self.spliced += 1


def on_a_loop(work: Callable[[], None]) -> None:
    async def run() -> None:
        work()

    asyncio.run(run())


def test_an_inspector_that_ends_before_its_first_byte_is_replaced_by_a_splice() -> None:
    def work() -> None:
        browser = Browser()
        browser.inspector = end = InspectorConnection(browser)
        end.answered.set_result(True)
        end.connection_lost(None)
        assert browser.spliced == 1 and browser.opened == [end]

    on_a_loop(work)


def test_after_its_first_byte_there_is_nothing_to_splice() -> None:
    def work() -> None:
        browser = Browser()
        browser.inspector = end = InspectorConnection(browser)
        end.answered.set_result(True)
        end.data_after_connect(memoryview(b"abc"))
        end.connection_lost(None)
        assert (browser.replay, browser.spliced, browser.back) == (None, 0, 3)

    on_a_loop(work)


def test_an_inspector_that_never_answered_counts_as_refused() -> None:
    def work() -> None:
        browser = Browser()
        browser.inspector = end = InspectorConnection(browser)
        end.connection_lost(ConnectionResetError())
        assert end.answered.result() is False and browser.spliced == 0, "who asked goes on by itself"

    on_a_loop(work)


@pytest.mark.parametrize("counting", [True, False])
def test_bytes_of_a_site_are_counted_only_as_long_as_that_matters(counting: bool) -> None:
    def work() -> None:
        browser = Browser(counting)
        site = ServerConnection(browser, direct=True)
        site.data_after_connect(memoryview(b"abcd"))
        assert (browser.back, site.plain) == (4, not counting)

    on_a_loop(work)


def test_a_site_behind_a_proxy_that_hangs_up_is_refused() -> None:
    def work() -> None:
        site = ServerConnection(Browser())
        site.connection_lost(None)
        assert site.answered.result() is False

    on_a_loop(work)
