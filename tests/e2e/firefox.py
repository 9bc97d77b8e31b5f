"""A headless Firefox for one test, driven over WebDriver BiDi; there is no geckodriver.

Source: https://w3c.github.io/webdriver-bidi/ for the commands; Firefox writes the address on which
it listens into `WebDriverBiDiServer.json` in its profile.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from websockets.sync.client import connect

FIREFOX = "/usr/bin/firefox-esr"
PATIENCE = 30.0  # seconds for a start, a page or an answer

type Pref = bool | int | str

# A test talks to loopback only: every name resolves to it, and the background services are off,
# so that nothing of Firefox's own arrives at a test's server or proxy.
PREFS: Mapping[str, Pref] = {
    "network.dns.forceResolve": "127.0.0.1",
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.trr.mode": 5,
    "network.prefetch-next": False,
    "network.dns.disablePrefetch": True,
    "network.http.speculative-parallel-limit": 0,
    "network.proxy.type": 0,
    "app.update.enabled": False,
    "app.update.disabledForTesting": True,
    "app.normandy.enabled": False,
    "app.shield.optoutstudies.enabled": False,
    "nimbus.rollouts.enabled": False,
    "browser.aboutHomeSnippets.updateUrl": "",
    "browser.contentblocking.database.enabled": False,
    "browser.newtabpage.enabled": False,
    "browser.newtabpage.activity-stream.feeds.system.topstories": False,
    "browser.newtabpage.activity-stream.feeds.topsites": False,
    "browser.region.network.url": "",
    "browser.region.update.enabled": False,
    "browser.safebrowsing.blockedURIs.enabled": False,
    "browser.safebrowsing.downloads.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.safebrowsing.provider.google4.updateURL": "",
    "browser.safebrowsing.provider.google5.updateURL": "",
    "browser.safebrowsing.provider.mozilla.updateURL": "",
    "browser.safebrowsing.update.enabled": False,
    "browser.search.serpEventTelemetryCategorization.enabled": False,
    "browser.search.update": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.homepage_override.mstone": "ignore",
    "browser.startup.page": 0,
    "browser.topsites.contile.enabled": False,
    "browser.translations.enable": False,
    "browser.urlbar.merino.endpointURL": "",
    "datareporting.healthreport.uploadEnabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "datareporting.usage.uploadEnabled": False,
    "dom.push.connection.enabled": False,
    "extensions.blocklist.enabled": False,
    "extensions.getAddons.cache.enabled": False,
    "extensions.systemAddon.update.enabled": False,
    "extensions.systemAddon.update.url": "",
    "extensions.update.enabled": False,
    "geo.provider.network.url": "",
    "identity.fxaccounts.enabled": False,
    "media.gmp-manager.updateEnabled": False,
    "media.gmp-manager.url": "",
    "messaging-system.rsexperimentloader.enabled": False,
    "security.OCSP.enabled": 0,
    "security.enterprise_roots.enabled": False,
    "security.remote_settings.crlite_filters.enabled": False,
    "security.remote_settings.intermediates.enabled": False,
    "services.settings.server": "data:,#remote-settings-dummy/v1",
    "signon.autofillForms": False,
    "toolkit.telemetry.enabled": False,
    "toolkit.telemetry.server": "",
    "toolkit.telemetry.unified": False,
    "trailhead.firstrun.didSeeAboutWelcome": True,
}

# The first lets a released Firefox obey `services.settings.server`.
ENVIRONMENT = {"MOZ_REMOTE_SETTINGS_DEVTOOLS": "1", "MOZ_CRASHREPORTER_DISABLE": "1"}


class FirefoxError(Exception):
    """Firefox refused, failed or did not answer; the message is its own."""


class Firefox:
    """One Firefox process with its own profile, from `with` to the end of it.

    `profile` is a folder (made if missing; put a trust store there first with `bewust.browsers.launch.trust`),
    `prefs` are laid over `PREFS`, `env` over the environment of the test.
    A page or an answer that takes longer than `patience` seconds is an error.
    """

    def __init__(
        self,
        profile: Path,
        prefs: Mapping[str, Pref] | None = None,
        env: Mapping[str, str] | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self._profile, self._patience = profile, patience
        self._prefs = {**PREFS, **(prefs or {})}
        self._env = {**os.environ, "HOME": str(profile), **ENVIRONMENT, **(env or {})}
        self._stack = ExitStack()
        self._calls = 0

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def tab(self, number: int) -> None:
        """Go on in one of several tabs, from 0; it is opened where there is none yet."""
        while number >= len(self._tabs):
            self._tabs.append(self._call("browsingContext.create", type="tab")["context"])
        self._tab = self._tabs[number]

    def goto(self, url: str) -> None:
        """Open `url` and wait until it has loaded; raises FirefoxError if it does not."""
        self._call("browsingContext.navigate", context=self._tab, url=url, wait="complete")

    def evaluate(self, js: str) -> Any:
        """The value of the expression `js` in the page, as JSON; a promise is awaited.

        Raises FirefoxError with the page's own message if the expression throws.
        """
        answer = self._call(
            "script.evaluate",
            expression=f"(async () => JSON.stringify((await ({js})) ?? null))()",
            target={"context": self._tab},
            awaitPromise=True,
        )
        if answer["type"] == "exception":
            raise FirefoxError(answer["exceptionDetails"]["text"])
        return json.loads(answer["result"]["value"])

    def run(self, script: str) -> None:
        """Run statements in the page, past its own Content-Security-Policy."""
        answer = self._call(
            "script.evaluate", expression=f"{script}\n;0", target={"context": self._tab}, awaitPromise=False
        )
        if answer["type"] == "exception":
            raise FirefoxError(answer["exceptionDetails"]["text"])

    def submit(self, form: str) -> None:
        """Press the button of the form that a CSS selector names, and wait for the page after it."""
        begun = self.evaluate("performance.timeOrigin")
        self.evaluate(f"(() => {{ document.querySelector({json.dumps(form + ' button')}).click(); }})()")
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            with suppress(FirefoxError):  # between two pages there is none to ask
                after = "[performance.timeOrigin, document.readyState]"
                if (seen := self.evaluate(after))[0] != begun and seen[1] == "complete":
                    return
            time.sleep(0.05)
        raise FirefoxError(f"{form}: no page came after it")

    def text(self) -> str:
        """What a person reads in the page."""
        return str(self.evaluate("document.body.innerText"))

    def title(self) -> str:
        """The page's title."""
        return str(self.evaluate("document.title"))

    def _start(self, stack: ExitStack) -> None:
        self._profile.mkdir(parents=True, exist_ok=True)
        address = self._profile / "WebDriverBiDiServer.json"
        address.unlink(missing_ok=True)
        lines = (f"user_pref({json.dumps(k)}, {json.dumps(v)});" for k, v in self._prefs.items())
        (self._profile / "user.js").write_text("\n".join(lines))
        process = subprocess.Popen(
            [FIREFOX, "--headless", "--no-remote", "--profile", str(self._profile)]
            + ["--remote-debugging-port", "0", "about:blank"],
            env=self._env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # a process group of its own, to be ended as a whole
        )
        stack.callback(_end, process)
        server = _wait_for(address, process)
        url = f"ws://{server['ws_host']}:{server['ws_port']}/session"
        self._socket = stack.enter_context(connect(url, max_size=None, proxy=None))
        self._call("session.new", capabilities={})
        self._tabs: list[str] = [self._call("browsingContext.getTree")["contexts"][0]["context"]]
        self.tab(0)

    def _call(self, method: str, **params: Any) -> Any:
        self._calls += 1
        self._socket.send(json.dumps({"id": self._calls, "method": method, "params": params}))
        while True:  # events, which no test subscribes to, have no id
            try:
                answer = json.loads(self._socket.recv(timeout=self._patience))
            except TimeoutError:
                raise FirefoxError(f"{method}: no answer in {self._patience:.0f} s") from None
            if answer.get("id") == self._calls:
                break
        if answer["type"] == "error":
            raise FirefoxError(answer["message"])
        return answer["result"]


def _wait_for(address: Path, process: subprocess.Popen[bytes]) -> Any:
    """The JSON in the file that Firefox writes once it listens."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and process.poll() is None:
        try:
            return json.loads(address.read_bytes())
        except (FileNotFoundError, json.JSONDecodeError):
            time.sleep(0.05)
    raise FirefoxError(f"did not start (exit code {process.poll()})")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process group that this module made, gently first."""
    for word, patience in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0)):
        try:
            os.killpg(process.pid, word)
            process.wait(patience)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue
    process.wait(5.0)
