"""Performs Outcomes: store first, then remind. Puts the packages together and keeps them running.

Belongs here: the clock, the schedule of flushes, who hears what. Not here: any decision.
"""

import asyncio
import gc
import os
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from bewust.authority import load_usable
from bewust.catalogue import CatalogueError
from bewust.config import OffSwitch, PolicyError, Rules, TextsError, load_or_last_good
from bewust.config.off_switch import Stopped
from bewust.config.policy import packed
from bewust.config.rules import fingerprint, save_last_good
from bewust.daemon.people import ME, People
from bewust.daemon.state import Running, Settings, authority_fingerprint, exclusive_lock, install_state, write_private
from bewust.daemon.status import Answers
from bewust.desktop import Desk, Toast
from bewust.detection import detection
from bewust.errors import AgentError
from bewust.model import Observation
from bewust.page import Page
from bewust.proxy import Front, Inspector
from bewust.proxy.messages import Demoted, Detected, Failed, Message, Seen, Start
from bewust.reminders import Pipeline, Reminder, Suppressed
from bewust.sessions import Desktop
from bewust.state_files import RUN, STORE
from bewust.statistics import Key, SuppressionKey, close_periods, counters, deliver_due, storage
from bewust.system import Clock, systemd
from bewust.system.error_counts import Failures
from bewust.system.socket_owner import Address

DEMOTED_LIMIT = 1000  # hosts; below a "*." of the catalogue there are any number of names
FILES_POLL_SECONDS = 30.0  # between two looks at the organisation's folder: a few dozen calls of stat
SWITCH_POLL_SECONDS = 1.0  # between two looks whether an administrator stopped it: one call of stat
DRAIN_SECONDS = 5.0  # for what the inspector has in hand, before another takes over


class Agent:
    """One agent, from start to stop. `on_reminder` is told what a person may read, shown or held.

    `clock` makes the clock that is counted by, from a time that is known to have been.
    """

    def __init__(
        self,
        settings: Settings,
        rules: Rules,
        *,
        on_reminder: Callable[[Reminder | Suppressed], None] = lambda decided: None,
        desktop: Desktop | None = None,
        clock: Callable[[datetime], Clock] = Clock,
    ) -> None:
        self.settings = settings
        self.failures = Failures()
        self.guard = self.failures.guard
        self.authority = install_state(settings, rules)
        self.rules = rules = save_last_good(rules, settings.state)
        self.clock = clock(self.authority.made)
        self.pipeline = Pipeline(rules.policy, rules.texts, rules.services)
        self.store, self.rescued = self._open_store()
        self._writer = ThreadPoolExecutor(1, "storage")
        if desktop is None and settings.socket is None:
            desktop = Desk(self._on_toast_action)
        self.people = People(self, desktop, settings.state, on_reminder)
        self.answers = Answers(self)
        self.page = Page(self.answers)
        self._secret = secrets.token_urlsafe(24)
        self.front = Front(
            rules.matcher, self, self.page.protocol, settings.resolver, rules.policy.network.upstream,
            secret=self._secret,
        )  # fmt: skip
        self.inspector = Inspector(
            self._start(),
            up=self.front.inspector_up,
            down=self.front.inspector_down,
            message=self.on_inspector_message,
            heavy=lambda: self.people.begin(self._replace()),
            busy=lambda: self.front.has_inspected_connections,
        )
        self.token = secrets.token_urlsafe(24)
        self.port = 0
        self.since = self.now()
        self.demoted: dict[str, tuple[Demoted, float]] = {}  # what the inspector told, and until when
        self.refusals = 0
        self.unsealed: str | None = None
        self.undelivered: str | None = None
        self._opened = ""
        self.switch = OffSwitch(settings.config)
        self.stopped: Stopped = self.switch.stopped
        self._check_certificate_coverage()

    def _check_certificate_coverage(self) -> None:
        """See which hosts the authority speaks for; where that is none, or all is stopped, no inspector is needed."""
        listed = self.rules.matcher.decrypted_hosts()
        self.uncovered = self.authority.uncovered(listed)
        self.inspector.set_enabled(not self.stopped and len(self.uncovered) < len(listed))

    def _start(self) -> Start:
        return Start(
            authority=str(self.settings.state / "authority"),
            secret=self._secret,
            config=str(self.rules.folder) if self.rules.folder else None,
            resolver=self.settings.resolver,
            trust=str(self.settings.trust) if self.settings.trust else None,
            policy=packed(self.rules.policy),
            imported=str(self.rules.edition.path) if self.rules.edition.path else None,
        )

    def now(self) -> datetime:
        """Return the time in the organisation's zone, even where the clock jumps."""
        return self.clock.now().astimezone(self.rules.policy.zone)

    def _open_store(self) -> tuple[storage.Store, str | None]:
        cells = counters.period_keys(self.pipeline.period(self.now()), self.rules.services.values())
        try:
            return storage.Store(self.settings.state, cells), None
        except storage.StoreError as error:
            aside = storage.move_aside_corrupt(self.settings.state / STORE)
            return storage.Store(self.settings.state, cells), f"{error} It was moved to {aside.name}."

    # What the front tells.

    def visited(self, host: str, client: Address | None) -> None:
        """Count a visit by name, or keep its activity alive."""
        plan = None if self.stopped else self.rules.matcher.host_rules(host)
        with self.guard("visit"):
            for rule in plan.visits if plan else ():
                self.people.detected(detection(rule, Observation(host=host)), client)

    def opened(self, peer: int, client: Address | None) -> None:
        """Remember whose a connection is that the inspector knows by a port."""
        with self.guard("owner"):
            self.people.opened(peer, client)

    def should_inspect(self, host: str) -> bool:
        """Whether a host of the decrypt list is inspected now."""
        if self.is_excluded(host) and not self.demoted[host][0].one_program:
            return False
        if self.uncovered and self.authority.uncovered((host,)):
            return False
        return self.authority.valid(datetime.now(UTC))  # the clock that browsers go by

    def is_excluded(self, host: str) -> bool:
        """Whether a host was demoted, and not too long ago; by a clock that nobody sets."""
        demoted = self.demoted.get(host)
        return demoted is not None and time.monotonic() < demoted[1]

    # What the inspector tells.

    def on_inspector_message(self, message: Message) -> None:
        """Act on one message of the inspector."""
        with self.guard("message"):
            match message:
                case Detected() | Seen() if self.stopped:
                    pass  # on its way when it was stopped
                case Detected(detection=found, peer=peer):
                    self.people.detected(found, peer)
                case Seen(service=service):
                    self.count(self.pipeline.seen(service, self.now()).counts)
                case Demoted(host=host) if self.rules.matcher.host_rules(host):
                    self.refusals += 1
                    kept = [(h, why) for h, why in self.demoted.items() if self.is_excluded(h)]
                    self.demoted = dict(kept[-DEMOTED_LIMIT:])
                    longest = self.rules.policy.demoted_for.total_seconds()
                    self.demoted[host] = (message, time.monotonic() + min(message.seconds or longest, longest))
                case Failed(where=where, error=error, place=place):
                    self.failures.record(where, error, place)

    def count(self, keys: tuple[Key | SuppressionKey, ...]) -> None:
        """Add one to each counter."""
        if keys:
            self._open(keys[0].period)
            self.store.add(keys)

    def _open(self, period: str) -> None:
        """Make sure that every cell of the period is there; once a period, for there are thousands."""
        if period != self._opened:
            cells = counters.period_keys(period, self.rules.services.values())
            self.store.open_period(cells, self.rules.policy.release.services)
            self._opened = period

    # What the organisation changes, and who stops it.

    def pause(self, seconds: float) -> None:
        """Stop everything for so long, as far as the policy allows; 0 ends it."""
        self.switch.pause(min(seconds, self.rules.policy.pause.total_seconds()))
        self._apply_stop()

    def _apply_stop(self) -> None:
        """Stop or go on, at once: what is inspected is cut off, and browsers connect anew."""
        self.stopped = self.switch.stopped
        self._check_certificate_coverage()

    async def _poll_off_switch(self) -> None:
        """Poll the off switch; apply a stop, and the end of a pause."""
        while True:
            await asyncio.sleep(SWITCH_POLL_SECONDS)
            if self.switch.stopped != self.stopped:
                self._apply_stop()

    async def _watch_settings_files(self) -> None:
        """Notice a change in the organisation's folder, an import or another authority; half a file is read again."""
        config, state = self.settings.config, self.settings.state
        before = self.rules.seen, authority_fingerprint(state)
        while True:
            await asyncio.sleep(FILES_POLL_SECONDS)
            now = await asyncio.to_thread(fingerprint, config, state), authority_fingerprint(state)
            if now != before:
                before = now
                with self.guard("reload"):
                    await self.reload()

    async def reload(self) -> None:
        """Put the organisation's folder in force as it is now; where it is broken, go on and say so."""
        try:
            found = await asyncio.to_thread(load_or_last_good, self.settings.config, self.settings.state)
        except (CatalogueError, PolicyError, TextsError) as error:
            found = msgspec.structs.replace(self.rules, problem=str(error))
        if found.problem is not None:
            self.rules = msgspec.structs.replace(self.rules, problem=found.problem)
            return
        self.rules = found = save_last_good(found, self.settings.state)
        self.authority = load_usable(self.settings.state / "authority")
        self._opened = ""
        self.pipeline.reconfigure(found.policy, found.texts, found.services)
        self._check_certificate_coverage()
        self.front.reconfigure(found.matcher, found.policy.network.upstream)
        await self._replace()

    async def _replace(self) -> None:
        """Put another inspector in the place of this one, which may finish what it has in hand."""
        self.front.pause_handover()
        await asyncio.sleep(DRAIN_SECONDS)
        self.inspector.renew(self._start())

    # Running.

    async def run(self, started: Callable[[], None] = lambda: None) -> None:
        """Serve until cancelled, then stop cleanly: counters on disk, children ended."""
        with exclusive_lock(self.settings.state):
            await self._run(started)

    async def _run(self, started: Callable[[], None]) -> None:
        with self.failures.capture_loop_errors(asyncio.get_running_loop()):
            await self._serve(started)

    async def _serve(self, started: Callable[[], None]) -> None:
        try:
            self.port = await self.front.open(self.settings.port, systemd.activated_socket())
        except OSError as error:
            raise AgentError(
                f"port {self.settings.port} cannot be opened ({error.strerror}). "
                "Is Bewust running already (bewust status)? Otherwise choose another with --port."
            ) from error
        run_file = self.settings.state / RUN
        try:
            write_private(run_file, msgspec.json.encode(Running(self.port, self.token, os.getpid())))
            if self.settings.socket is not None:
                await self._listen(self.settings.socket)
            started()
            gc.freeze()  # the catalogue stays: no connection shall have it looked through for garbage
            systemd.sd_notify("READY=1")
            async with asyncio.TaskGroup() as group:
                for work in (
                    self.inspector.run(),
                    self._flush(),
                    self._watch_settings_files(),
                    self._poll_off_switch(),
                    self._watchdog(),
                ):
                    group.create_task(work)
        finally:
            systemd.sd_notify("STOPPING=1")
            self.store.flush()  # first: who presses Ctrl-C twice shall not lose it
            run_file.unlink(missing_ok=True)
            await self.people.close()
            await self.front.close()

    async def _watchdog(self) -> None:
        """Give signs of life to who watches us, from the very loop that serves: frozen, it is started anew."""
        every = systemd.watchdog_seconds()
        while every is not None:
            systemd.sd_notify("WATCHDOG=1")
            await asyncio.sleep(every / 3)

    async def _listen(self, path: Path) -> None:
        try:
            await self.people.logins.open(path)
        except OSError as error:
            raise AgentError(
                f"{path}: no session could connect there ({error}). Choose another with --socket."
            ) from error

    async def _flush(self) -> None:
        """Write the counters at fixed times of the clock, used or not: the times tell nothing."""
        await self._close_periods()
        while True:
            every = self.rules.policy.flush.total_seconds()
            await asyncio.sleep(every - self.now().timestamp() % every)
            await self._close_periods()

    async def _close_periods(self) -> None:
        """Open the period, seal the ones that ended, write it all down, and deliver what is due."""
        with self.guard("settle"):
            self._open(self.pipeline.period(self.now()))
            wrong = close_periods(self.store, self.rules.policy, self.now(), secrets.randbelow)
            self.unsealed = wrong or self.unsealed  # it is told until the next start
            self.people.forget_gone({key.period for key in self.store.counts()})
        with self.guard("flush"):
            await self.flush()
        folder = self.rules.policy.release.folder
        if folder and self.store.problem is None:
            with self.guard("delivery"):
                self.undelivered = await asyncio.to_thread(deliver_due, self.store.contents().sealed, Path(folder))

    async def flush(self) -> None:
        """Write the counters as they are now, in a thread of their own: nothing else waits for the disk."""
        await asyncio.get_running_loop().run_in_executor(self._writer, self.store.write, self.store.snapshot())

    def _on_toast_action(self, action: str, toast: Toast) -> None:
        if action == "not-today":
            self.people.snooze(ME, "today")
