"""The agent performs outcomes in order, survives its own mistakes, and starts and stops cleanly."""

import asyncio
import contextlib
import socket
import stat
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from bewust.authority import authority
from bewust.catalogue import editions
from bewust.catalogue.editions import Pointer
from bewust.catalogue.matching import compile_services
from bewust.config.rules import load_rules
from bewust.daemon import app
from bewust.daemon.app import Agent
from bewust.daemon.people import ME
from bewust.daemon.state import Settings
from bewust.desktop.toast import Toast
from bewust.durations import Duration
from bewust.errors import AgentError
from bewust.model import Depth, Detection, Kind, Level
from bewust.proxy.messages import Demoted, Detected, Failed, Seen
from bewust.reminders.schedule import Reminder, Suppressed
from bewust.state_files import RUN, STORE
from bewust.statistics import counters, formats, staleness, storage
from bewust.statistics.counters import Key
from support import bundles
from support.agents import RULES, USE, Desktop, agent, tell
from support.dead_dns import dead_dns
from support.proxies import until


def count(made: Agent, service: str, kind: Kind) -> int:
    return made.answers.counts()[Key(made.pipeline.period(made.now()), service, kind)]


def test_what_is_told_has_been_counted_before(tmp_path: Path) -> None:
    counted: list[int] = []
    made = agent(tmp_path, lambda decided: counted.append(count(made, "google-ai-overview", Kind.REMINDED)))
    tell(made, USE)
    assert counted == [1]


def test_a_reminder_is_counted_before_it_is_shown_and_can_be_looked_up(tmp_path: Path) -> None:
    class Counting(Desktop):
        async def show(self, toast: Toast) -> str | None:
            counted.append(count(made, "google-ai-overview", Kind.REMINDED))
            return await super().show(toast)

    counted: list[int] = []
    desktop = Counting()
    made = agent(tmp_path, desktop=desktop)
    tell(made, USE)
    assert counted == [1]
    (toast,) = desktop.toasts
    assert toast.title == "AI-antwoord in Google Zoeken"
    assert toast.why == f"Waarom zie ik dit? {toast.url}"
    assert toast.url == f"http://127.0.0.1:{made.port}/why"
    assert (toast.open, toast.not_today) == ("Open uitleg", "Vandaag niet meer")
    (recent,) = made.people.login(ME).recent
    assert recent.reminder.message == toast.message
    assert made.answers.status().toasts_shown == 1


def test_a_busy_desktop_is_left_alone_and_that_is_counted_with_its_reason(tmp_path: Path) -> None:
    desktop = Desktop(busy="do-not-disturb")
    made = agent(tmp_path, desktop=desktop)
    tell(made, USE)
    assert desktop.toasts == []
    assert count(made, "google-ai-overview", Kind.USE) == count(made, "google-ai-overview", Kind.HELD) == 1
    held = {key.reason: n for key, n in made.answers.contents().held.items() if n}
    assert held == {"busy": 1}


def test_a_desktop_that_cannot_show_it_is_reported(tmp_path: Path) -> None:
    made = agent(tmp_path, desktop=Desktop(problem="nobody answers"))
    tell(made, USE)
    assert made.answers.status().toasts_failed == 1
    assert "toasts: nobody answers" in made.answers.status().problems


def test_not_today_is_remembered_over_a_restart(tmp_path: Path) -> None:
    made = agent(tmp_path)
    made._on_toast_action("not-today", Toast("", ""))
    tell(made, USE)
    again = agent(tmp_path, desktop=(desktop := Desktop()))
    tell(again, USE)
    assert desktop.toasts == []
    assert {key.reason for key, n in again.answers.contents().held.items() if n} == {"snoozed"}


def test_a_listener_that_raises_is_counted_and_stops_nothing(tmp_path: Path) -> None:
    def broken(decided: Reminder | Suppressed) -> None:
        raise BrokenPipeError

    made = agent(tmp_path, broken)
    tell(made, USE, Seen(1, "google-ai-overview"))
    assert count(made, "google-ai-overview", Kind.USE) == 1
    assert count(made, "google-ai-overview", Kind.SEEN) == 1
    ((told, times),) = made.answers.status().failures.items()
    assert (told.startswith("reminder: BrokenPipeError (people:"), times) == (True, 1)


def test_what_the_catalogue_does_not_know_is_never_counted(tmp_path: Path) -> None:
    made = agent(tmp_path)
    before = made.answers.counts()
    made.on_inspector_message(Seen(1, "canary"))
    made.on_inspector_message(Detected(1, Detection("canary", Level.USE, "x", "x", 1)))
    made.on_inspector_message(Demoted("canary.example", "x"))
    assert made.answers.counts() == before
    assert "canary" not in repr(made.answers.status())


def test_failures_are_counted_by_place_and_class_and_bounded(tmp_path: Path) -> None:
    made = agent(tmp_path)
    for number in range(200):
        made.on_inspector_message(Failed(f"where{number}", "ValueError"))
        made.on_inspector_message(Failed("where0", "ValueError"))
    assert len(made.answers.status().failures) == 50
    assert made.answers.status().failures["where0: ValueError"] == 201


def test_a_host_that_refuses_is_left_alone_for_a_day_and_shown_as_the_catalogue_writes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = agent(tmp_path)
    made.on_inspector_message(Demoted("private-site.translate.goog", "the site refuses our TLS"))
    assert not made.should_inspect("private-site.translate.goog")
    assert made.should_inspect("other-site.translate.goog")
    assert dict(made.answers.status().demoted) == {"*.translate.goog": "the site refuses our TLS"}
    assert made.answers.status().refusals == 1
    yesterday, later = made.now() - timedelta(hours=23), time.monotonic() + 24 * 3600
    monkeypatch.setattr(made, "now", lambda: yesterday)  # a clock that was set changes nothing
    assert not made.should_inspect("private-site.translate.goog")
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert made.should_inspect("private-site.translate.goog")


def test_for_one_program_a_host_is_shown_and_still_handed_over(tmp_path: Path) -> None:
    made = agent(tmp_path)
    made.on_inspector_message(
        Demoted(
            "www.google.nl", "a program does not accept our certificate, and it alone is let through", one_program=True
        )
    )
    assert made.should_inspect("www.google.nl")
    status = made.answers.status()
    assert dict(status.demoted) == {
        "www.google.nl": "a program does not accept our certificate, and it alone is let through"
    }
    assert "www.google.nl" in status.decrypted


def test_hosts_the_authority_does_not_cover_are_known_by_name_and_reported(tmp_path: Path) -> None:
    agent(tmp_path)  # issues the authority for the shipped decrypt list
    config = tmp_path / "config"
    (config).mkdir()
    (config / "policy.toml").write_text('countries = ["com", "nl", "be", "de", "fr", "es"]', encoding="utf-8")
    made = Agent(Settings(tmp_path / "state", config=config), load_rules(config))
    assert not made.should_inspect("www.google.es")
    assert made.should_inspect("www.google.nl")
    problem = next(p for p in made.answers.status().problems if "www.google.es" in p)
    assert "bewust authority renew" in problem
    assert "www.google.es" not in made.answers.status().decrypted


def test_where_nothing_is_looked_into_there_is_no_inspector_and_no_name_in_the_authority(tmp_path: Path) -> None:
    rules = load_rules(None)
    nothing = compile_services(list(rules.services.values()), lambda service: Depth.NAME)
    made = Agent(Settings(tmp_path / "state"), msgspec.structs.replace(rules, matcher=nothing), desktop=Desktop())
    assert not made.inspector.enabled
    assert made.answers.names_covered() == []
    status = made.answers.status()
    assert (status.inspector, status.problems) == ("not needed; nothing is inspected", ())
    assert made.front.matcher.host_rules("chatgpt.com") is not None


def test_an_authority_that_cannot_be_used_leaves_an_agent_that_knows_names(tmp_path: Path) -> None:
    (agent(tmp_path).settings.state / "authority" / "mitmproxy-ca.pem").write_text("damaged")
    made = agent(tmp_path)
    assert not made.should_inspect("www.google.nl") and not made.inspector.enabled
    (problem,) = made.answers.status().problems
    assert problem.startswith("nothing is inspected: ") and "bewust authority renew" in problem


@pytest.mark.parametrize("days", [-2, 800], ids=["not yet", "no longer"])
def test_while_the_authority_does_not_hold_nothing_is_looked_into(tmp_path: Path, days: int) -> None:
    made = agent(tmp_path)
    assert made.should_inspect("www.google.nl")
    begun, ends = made.authority.made - timedelta(days=days), made.authority.not_after - timedelta(days=days)
    made.authority = msgspec.structs.replace(made.authority, made=begun, not_after=ends)
    assert not made.should_inspect("www.google.nl")
    assert any("or set this machine's clock" in problem for problem in made.answers.status().problems)


def test_a_clock_that_jumps_a_year_ends_no_period(tmp_path: Path) -> None:
    made = agent(tmp_path)
    tell(made, USE)
    wall = made.clock._wall
    made.clock._wall = lambda: wall() + timedelta(days=365)
    asyncio.run(made._close_periods())
    assert any("clock jumped" in problem for problem in made.answers.status().problems)
    tell(made, Seen(1, "google-ai-overview"))
    made.clock._wall = wall
    asyncio.run(made._close_periods())
    assert count(made, "google-ai-overview", Kind.USE) == count(made, "google-ai-overview", Kind.SEEN) == 1
    assert {key.period for key in made.answers.counts()} == {made.pipeline.period(made.now())}


def test_a_store_that_cannot_be_read_is_kept_aside_and_reported(tmp_path: Path) -> None:
    agent(tmp_path)
    broken = tmp_path / "state" / STORE
    broken.write_bytes(b"not a database")
    made = agent(tmp_path)
    assert any(str(broken) in problem for problem in made.answers.status().problems)
    assert [p.read_bytes() for p in broken.parent.glob("*unreadable*")] == [b"not a database"]


def visit(made: Agent, host: str) -> None:
    async def main() -> None:
        made.visited(host, ("127.0.0.1", 1))
        await made.people.drain()

    asyncio.run(main())


def run_a_moment(made: Agent, during: Callable[[], None] = lambda: None) -> None:
    async def main() -> None:
        ready = asyncio.Event()
        running = asyncio.ensure_future(made.run(ready.set))
        waiting = asyncio.ensure_future(ready.wait())
        await asyncio.wait([running, waiting], return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            await asyncio.to_thread(during)
            running.cancel()
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running

    asyncio.run(main())


def test_a_clean_stop_leaves_the_counters_and_nothing_else_of_the_run(tmp_path: Path) -> None:
    made = agent(tmp_path)
    modes: dict[str, int] = {}

    def look() -> None:
        assert made.front._server is not None
        made.front._server.get_loop().call_soon_threadsafe(made.on_inspector_message, USE)
        end = time.monotonic() + 60
        while not made.people.shown:
            assert time.monotonic() < end
            time.sleep(0.01)
        for path in (made.settings.state, *made.settings.state.rglob("*")):
            modes[path.name] = stat.S_IMODE(path.stat().st_mode)

    run_a_moment(made, look)
    assert not (made.settings.state / RUN).exists()
    assert storage.read(made.settings.state / STORE)[
        Key(made.pipeline.period(made.now()), "google-ai-overview", Kind.USE)
    ] == 1  # fmt: skip
    assert modes["state"] == modes["authority"] == 0o700
    assert modes["run.json"] == modes["mitmproxy-ca.pem"] == modes["lock"] == 0o600


def test_what_a_library_would_log_is_counted_by_its_class_and_written_nowhere(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """uvicorn warned of malformed requests on standard error; found by fuzzing."""
    made = agent(tmp_path)

    async def broken(*anything: object) -> None:
        raise KeyError("https://www.example.org/secret")

    monkeypatch.setattr("bewust.page.application.Page._view", broken)

    def knock() -> None:
        for said in (b"GET / HTTP/1.1\r\n: x\r\n\r\n", b"GET /nl/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", made.port), timeout=5) as connection:
                connection.sendall(said)
                assert connection.recv(100).split()[1] in (b"400", b"500")

    run_a_moment(made, knock)
    assert capfd.readouterr() == ("", "")
    ((told, times),) = made.failures.items()
    assert (told.startswith("uvicorn.error: KeyError ("), times) == (True, 1)


def test_a_request_with_rubbish_behind_it_is_no_failure_of_ours(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The page's answer then meets a connection that is refused already; found by fuzzing."""
    made = agent(tmp_path)

    def knock() -> None:
        with socket.create_connection(("127.0.0.1", made.port), timeout=5) as connection:
            connection.sendall(b"GET /nl/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n\x00 rubbish\r\n\r\n")
            while connection.recv(1 << 16):
                pass
        time.sleep(0.3)

    run_a_moment(made, knock)
    assert (capfd.readouterr(), made.failures) == (("", ""), {})


def test_a_port_that_is_taken_is_said_with_a_remedy(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(AgentError, match="--port"):
        run_a_moment(agent(tmp_path, port=taken.getsockname()[1]))
    assert not (tmp_path / "state" / RUN).exists()


def test_a_second_agent_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    first, second = agent(tmp_path), agent(tmp_path)

    def start_another() -> None:
        with pytest.raises(AgentError, match="--state"):
            asyncio.run(second.run())

    run_a_moment(first, start_another)


# The organisation's folder changes while the agent runs.

OURS = (
    '[[service]]\nid = "ours"\nname = "Ours"\nvendor = "Us"\ncontext = "chat"\nevidence = "We built it ourselves."\n'
    'reviewed = 2026-11-23\n[[service.signature]]\nid = "name"\nlevel = "visit"\nhosts = ["chat.example.nl"]\n'
)


def test_a_new_catalogue_is_put_in_force_and_a_broken_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bewust.daemon.app.DRAIN_SECONDS", 0)
    config = tmp_path / "config"
    (config / "services").mkdir(parents=True)
    made = Agent(Settings(tmp_path / "state", config), load_rules(config), desktop=Desktop())
    tell(made, USE)
    file = config / "services" / "ours.toml"

    file.write_text(OURS)
    asyncio.run(made.reload())
    assert made.front.matcher.host_rules("chat.example.nl") is not None
    visit(made, "chat.example.nl")
    assert count(made, "ours", Kind.VISIT) == 1
    assert count(made, "google-ai-overview", Kind.USE) == 1, "what was counted stays"
    assert made.answers.status().problems == ()

    file.write_text(OURS[:-9])
    asyncio.run(made.reload())
    assert made.front.matcher.host_rules("chat.example.nl") is not None
    assert any(str(file) in problem for problem in made.answers.status().problems)

    file.write_text(OURS.replace("chat.example", "praat.example"))
    asyncio.run(made.reload())
    assert made.front.matcher.host_rules("chat.example.nl") is None
    assert made.front.matcher.host_rules("praat.example.nl") is not None
    assert made.answers.status().problems == ()


def test_a_folder_is_looked_at_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bewust.daemon.app.DRAIN_SECONDS", 0)
    monkeypatch.setattr("bewust.daemon.app.FILES_POLL_SECONDS", 0.02)
    config = tmp_path / "config"
    (config / "services").mkdir(parents=True)
    made = Agent(Settings(tmp_path / "state", config), load_rules(config), desktop=Desktop())

    async def main() -> bool:
        watching = asyncio.ensure_future(made._watch_settings_files())
        await asyncio.sleep(0.1)
        (config / "services" / "ours.toml").write_text(OURS)
        for _ in range(3000):  # a minute
            await asyncio.sleep(0.02)
            if "ours" in made.rules.services:
                break
        watching.cancel()
        return "ours" in made.rules.services

    assert asyncio.run(main())


def test_another_authority_is_noticed_and_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bewust.daemon.app.DRAIN_SECONDS", 0)
    monkeypatch.setattr("bewust.daemon.app.FILES_POLL_SECONDS", 0.02)
    made = agent(tmp_path)
    old = made.authority.fingerprint
    folder, hosts = made.settings.state / "authority", made.rules.matcher.decrypted_hosts()

    async def main() -> None:
        watching = asyncio.ensure_future(made._watch_settings_files())
        await asyncio.sleep(0.1)
        assert made.authority.fingerprint == old
        fresh = authority.issue(folder, hosts, datetime.now(UTC))
        async with asyncio.timeout(60):
            while made.authority.fingerprint != fresh.fingerprint:
                await asyncio.sleep(0.02)
        watching.cancel()

    asyncio.run(main())


def test_while_it_is_stopped_nothing_is_looked_into_counted_or_reminded_of(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.mkdir()
    made = Agent(Settings(tmp_path / "state", config), load_rules(config), desktop=(desktop := Desktop()))
    made.pause(1800)
    status = made.answers.status()
    assert (status.stopped, made.inspector.enabled) == ("paused", False)
    assert made.now() + timedelta(minutes=29) < datetime.fromisoformat(status.resumes)
    tell(made, USE, Seen(1, "google-ai-overview"))
    visit(made, "chatgpt.com")
    assert not any(made.answers.counts().values()) and desktop.toasts == []

    (config / "off").touch()
    made.answers.pause(0)
    assert made.answers.status().stopped == "off", "nobody ends what an administrator began"
    (config / "off").unlink()
    made.answers.pause(0)
    assert (made.answers.status().stopped, made.inspector.enabled) == ("", True)
    visit(made, "chatgpt.com")
    assert count(made, "chatgpt", Kind.VISIT) == 1


@pytest.mark.parametrize(("allowed", "stopped", "most"), [("10m", "paused", 600), ("", "", 0)])
def test_a_pause_is_as_long_as_the_policy_allows(tmp_path: Path, allowed: str, stopped: str, most: float) -> None:
    made = agent(tmp_path)
    made.rules = msgspec.structs.replace(
        made.rules, policy=msgspec.structs.replace(made.rules.policy, pause=Duration(allowed))
    )
    made.pause(1e9)
    assert made.answers.status().stopped == stopped
    assert most - 5 < made.switch.left + 1e-9 <= most or most == made.switch.left == 0


def test_the_file_of_an_administrator_is_heeded_within_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bewust.daemon.app.SWITCH_POLL_SECONDS", 0.02)
    config = tmp_path / "config"
    config.mkdir()
    (config / "off").touch()
    made = Agent(Settings(tmp_path / "state", config), load_rules(config), desktop=Desktop())
    assert (made.stopped, made.inspector.enabled) == ("off", False), "also where it is there at the start"

    async def main() -> None:
        heeding = asyncio.ensure_future(made._poll_off_switch())
        for there in (False, True):
            (config / "off").touch() if there else (config / "off").unlink()
            async with asyncio.timeout(60):
                while made.inspector.enabled is there:
                    await asyncio.sleep(0.02)
        heeding.cancel()

    asyncio.run(main())


def test_an_inspector_that_has_grown_is_replaced_and_may_finish_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bewust.daemon.app.DRAIN_SECONDS", 0.1)
    made = agent(tmp_path)
    renewed: list[int | None] = []
    monkeypatch.setattr(made.inspector, "renew", lambda start: renewed.append(made.front.inspector_port))
    made.front.inspector_port = 4711

    async def main() -> None:
        made.inspector._heavy()
        await asyncio.sleep(0.02)
        assert made.front.inspector_port is None, "nothing is handed over any more"
        assert renewed == []
        await made.people.drain()

    asyncio.run(main())
    assert renewed == [None]


def test_an_import_is_put_in_force_and_a_damaged_one_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bewust.daemon.app.DRAIN_SECONDS", 0)
    config = bundles.organisation(tmp_path)
    made = Agent(Settings(tmp_path / "state", config), load_rules(config), desktop=Desktop())
    assert made._start().imported is None
    path = editions.store_bundle(made.settings.state, bundles.signed(), Pointer())
    asyncio.run(made.reload())
    assert made.front.matcher.host_rules("newcomer.example") is not None
    assert made._start().imported == str(path), "the inspector reads the very same file"
    assert made.answers.status().catalogue.startswith("imported: 2026-12, made 2026-12-01")
    assert made.answers.status().problems == ()

    path.write_bytes(path.read_bytes()[:-1])
    asyncio.run(made.reload())
    assert made.front.matcher.host_rules("newcomer.example") is None
    assert made._start().imported is None
    assert made.answers.status().catalogue.startswith("shipped with version")
    assert any(str(path) in problem for problem in made.answers.status().problems)


def test_an_import_is_noticed_without_a_folder_of_the_organisation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bewust.daemon.app.DRAIN_SECONDS", 0)
    monkeypatch.setattr("bewust.daemon.app.FILES_POLL_SECONDS", 0.02)
    made = agent(tmp_path)

    async def main() -> tuple[str, ...]:
        watching = asyncio.ensure_future(made._watch_settings_files())
        await asyncio.sleep(0.1)
        editions.store_bundle(made.settings.state, bundles.signed(), Pointer())
        for _ in range(3000):  # a minute
            await asyncio.sleep(0.02)
            if made.answers.status().problems:
                break
        watching.cancel()
        return made.answers.status().problems

    (problem,) = asyncio.run(main())
    assert "its signature fits no key of [catalogue] keys in the policy" in problem


def test_a_service_that_was_looked_at_often_without_a_use_is_named(tmp_path: Path) -> None:
    made = agent(tmp_path)
    for _ in range(staleness.ENOUGH):
        made.on_inspector_message(Seen(1, "brave-answer"))
    assert dict(made.answers.status().silent) == {"brave-answer": staleness.ENOUGH}
    assert "google-ai-overview/inline" in made.answers.status().reviews["2026-11-24"]


# A period ends.


def test_a_period_that_ended_is_sealed_and_delivered_by_the_agent_itself(tmp_path: Path) -> None:
    share = tmp_path / "share"
    release = msgspec.structs.replace(RULES.policy.release, folder=str(share))
    rules = msgspec.structs.replace(RULES, policy=msgspec.structs.replace(RULES.policy, release=release))
    (tmp_path / "state").mkdir(mode=0o700)
    ended = counters.period_of(datetime.now(UTC) - timedelta(days=29), 4)
    old = storage.Store(tmp_path / "state", [Key(ended, "chatgpt", Kind.USE)])
    old.add([Key(ended, "chatgpt", Kind.USE)])
    old.flush()

    made = Agent(Settings(tmp_path / "state"), rules, desktop=Desktop())
    asyncio.run(made._close_periods())
    kept = storage.contents(tmp_path / "state" / STORE)
    assert set(kept.sealed) == {ended}
    assert {key.period for key in kept.counts} == {made.pipeline.period(made.now())}
    assert any(str(share) in problem for problem in made.answers.status().problems), "the share is away"

    share.mkdir()
    asyncio.run(made._close_periods())
    (file,) = share.iterdir()
    assert file.read_text() == kept.sealed[ended] + "\n"
    assert not any(str(share) in problem for problem in made.answers.status().problems)


def test_what_is_written_is_of_one_moment_whatever_happens_while_it_is_written(tmp_path: Path) -> None:
    """A report beside the counters it was made of would undo what makes it private."""
    reading, sealed = threading.Event(), threading.Event()

    class Waiting(dict[str, tuple[str, ...]]):
        """Read between the counters and the reports; in another thread than the loop's, until a period was sealed."""

        def items(self):  # type: ignore[no-untyped-def]
            if threading.current_thread() is not threading.main_thread():
                reading.set()
                assert sealed.wait(10)
            return super().items()

    async def main() -> None:
        made = agent(tmp_path)
        await made._close_periods()
        draft = made.answers.draft()
        assert draft is not None
        made.store._domains = Waiting(made.store._domains)
        writing = asyncio.ensure_future(made._close_periods())
        while not reading.is_set() and not writing.done():
            await asyncio.sleep(0.001)
        made.store.close_period(draft.period, formats.encode(draft), {})
        sealed.set()
        await writing
        kept = storage.contents(made.settings.state / STORE)
        assert bool(kept.sealed) != bool(kept.counts)

    asyncio.run(main())


def test_names_whose_dns_is_dead_hold_up_no_other_name_nor_the_page_nor_the_counters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ask(port: int, head: str) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writers.append(writer)
        writer.write(f"{head} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        return await reader.readline()

    async def main() -> None:
        made = agent(tmp_path)
        made.inspector.set_enabled(False)
        started = asyncio.Event()
        running = asyncio.ensure_future(made.run(started.set))
        await started.wait()
        dead = [asyncio.ensure_future(ask(made.port, f"CONNECT dead{n}.example:443")) for n in range(40)]
        await until(lambda: len(made.front.links) == 40)
        try:
            async with asyncio.timeout(10):  # a name that is looked up is refused here, as it leads to this machine
                assert b" 403 " in await ask(made.port, f"CONNECT lives.example:{made.port}")
                assert b" 200 " in await ask(made.port, "GET /nl/")
                assert await made.people.owner_of_connection(("127.0.0.1", 1)) is None
                await made._close_periods()
                await made.reload()
        finally:
            server_fails.set()
        assert all(b" 502 " in line for line in await asyncio.gather(*dead))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        for writer in writers:
            writer.transport.abort()

    writers: list[asyncio.StreamWriter] = []
    server_fails = dead_dns(monkeypatch)
    monkeypatch.setattr(app, "DRAIN_SECONDS", 0.0)
    asyncio.run(main())
