"""The system's Chromium, steered by Playwright: started here, or attached to where it runs.

Belongs here: how the browser is started so that it speaks to nothing outside this machine, and the
few things a test does with it. Not here: what is visited, and how trust got into the NSS database.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

from playwright.sync_api import Browser, BrowserType, Page, sync_playwright

EXECUTABLE = "/usr/bin/chromium"
QUIET = (
    "--no-sandbox",  # the tests may run as root, where Chromium refuses its sandbox
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-sync",
    "--disable-quic",
    "--metrics-recording-only",
    # What it asks all the same goes to a port where nobody listens, instead of through the PAC.
    "--allow-browser-signin=false",
    "--gaia-url=http://127.0.0.1:9",
    "--component-updater=url-source=http://127.0.0.1:9/",
)
# A name that goes to a proxy is not resolved here; one that goes DIRECT must not leave the machine.
NO_NAMES = "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"


class Chromium:
    """One browser with one page, for as long as the `with` block lasts.

    `home` is where its NSS database of trusted roots is (`.pki/nssdb`); `resolver_rules` give
    names that go DIRECT an address (see `World.resolver_rules`), without them none has any.
    """

    page: Page

    def __init__(
        self,
        home: Path,
        pac_url: str | None = None,
        resolver_rules: str = NO_NAMES,
        args: Sequence[str] = (),
    ) -> None:
        route = f"--proxy-pac-url={pac_url}" if pac_url else "--no-proxy-server"
        rules = f"--host-resolver-rules={resolver_rules}"
        # Without XDG variables everything the browser keeps is below `home`.
        env: dict[str, str | float | bool] = {
            name: value for name, value in os.environ.items() if not name.startswith("XDG_")
        }
        self._open: Callable[[BrowserType], Browser] = lambda chromium: chromium.launch(
            executable_path=EXECUTABLE,
            args=[*QUIET, route, rules, *args],
            env={**env, "HOME": str(home)},
        )

    @classmethod
    def attach(cls, port: int) -> Self:
        """A browser that somebody else started with `--remote-debugging-port`, and will end."""
        browser = cls.__new__(cls)
        address = f"http://127.0.0.1:{port}"
        browser._open = lambda chromium: chromium.connect_over_cdp(address)
        return browser

    def __enter__(self) -> Self:
        self._playwright = sync_playwright().start()
        try:
            self._browser = self._open(self._playwright.chromium)
            # An attached browser has a page already, in its own profile.
            pages = [page for context in self._browser.contexts for page in context.pages]
            self.page = pages[0] if pages else self._browser.new_context().new_page()  # which may have more
        except BaseException:
            self._playwright.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        # Closing a connection over CDP only ends the connection, not the browser.
        try:
            self._browser.close()
        finally:
            self._playwright.stop()

    def tab(self, number: int) -> None:
        """Go on in one of several tabs, from 0; it is opened where there is none yet."""
        pages = self.page.context.pages
        while number >= len(pages):
            pages.append(self.page.context.new_page())
        self.page = pages[number]

    def goto(self, url: str, seconds: float = 15) -> int:
        """Visit a page and return its HTTP status; raises Playwright's Error, with `net::ERR_…`."""
        response = self.page.goto(url, timeout=seconds * 1000)
        return response.status if response else 0

    def text(self) -> str:
        """The words that a person sees on the page."""
        return self.page.inner_text("body")

    def title(self) -> str:
        """The page's title."""
        return self.page.title()

    def evaluate(self, script: str, argument: object = None) -> Any:
        """The value of a script (a promise is awaited) in the page."""
        return self.page.evaluate(script, argument)

    def wait_title(self, title: str, seconds: float = 10) -> None:
        """Wait until the page has this title; raises Playwright's TimeoutError."""
        wanted = "title => document.title === title"
        self.page.wait_for_function(wanted, arg=title, timeout=seconds * 1000)
