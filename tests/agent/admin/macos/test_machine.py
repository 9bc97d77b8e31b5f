"""The steps on macOS in a machine that is a folder, whose commands are written down: order, waiting, taking back."""

import plistlib
import sys
from pathlib import Path

import pytest

from bewust.admin import steps
from bewust.admin.macos.launchd import SERVICE_FILE, SESSION_FILE
from bewust.admin.macos.machine import WAITING, MacOS
from bewust.admin.steps import Choices
from bewust.browsers import handshake, policies
from bewust.catalogue import editions
from bewust.cli import admin
from bewust.config.rules import load_rules
from bewust.errors import AdminError
from support import bundles
from support.organisation_authority import imported

CHROME = "Library/Managed Preferences/com.google.Chrome.plist"


class PlayedMac(MacOS):
    """`commands` are those that the steps ran; launchd and the accounts answer as they would."""

    def __init__(self, root: Path, chosen: Choices | None = None) -> None:
        super().__init__(chosen, root)
        self.commands: list[str] = []
        self.failing: str | None = None
        self.loaded: set[str] = set()
        self.accounts = {"/Users/root": 0, "/Users/nobody": -2, "/Users/_other": 281, "/Groups/_more": 282}
        self.given: list[str] = []

    def give(self, path: Path) -> None:
        self.given.append(str(path.relative_to(self.root)))

    def run(self, *command: str) -> str:
        line = " ".join(command)
        self.commands.append(line)
        if self.failing and line.startswith(self.failing):
            raise AdminError(f"{line}: said no")
        match command:
            case ("dscl", ".", "-list", kind, _):
                return "".join(f"{n.rpartition('/')[2]}  {i}\n" for n, i in self.accounts.items() if kind in n)
            case ("dscl", ".", "-read", name, _) if name not in self.accounts:
                raise AdminError("eDSRecordNotFound")
            case ("dscl", ".", "-create", name, ("UniqueID" | "PrimaryGroupID"), number):
                self.accounts[name] = int(number)
            case ("dscl", ".", "-delete", name):
                self.accounts.pop(name, None)
            case ("launchctl", "print", target) if target not in self.loaded:
                raise AdminError("Could not find service")
            case ("launchctl", "bootstrap", domain, file):
                self.loaded.add(f"{domain}/{Path(file).stem}")
            case ("launchctl", "bootout", target):
                self.loaded.discard(target)
            case ("ps", *_):
                dock = "/System/Library/CoreServices/Dock.app/Contents/MacOS/Dock"
                return f"    0 /sbin/launchd\n  501 {dock}\n  502 {dock}\n  502 /Applications/x y\n"
        return ""


@pytest.fixture
def mac(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlayedMac:
    monkeypatch.setattr(handshake, "verify", lambda port, rules, root_pem, config: None)
    return PlayedMac(tmp_path / "root")


def signed(mac: PlayedMac) -> None:
    imported(mac.state / "authority", load_rules(None).matcher.decrypted_hosts())


def test_without_an_authority_all_is_set_up_and_the_service_waits(mac: PlayedMac) -> None:
    assert steps.install(mac) == WAITING
    assert not (mac.state / "authority").exists(), "an authority was made that nobody would trust"
    assert mac.loaded == {"gui/501/nl.bewust.session", "gui/502/nl.bewust.session"}
    assert "launchctl disable system/nl.bewust.service" in mac.commands
    found = steps.status(mac)
    assert found["account"] is found["files"] is found["sessions"] is None
    assert "cannot be read" in (found["imported authority"] or "")
    assert "is not loaded" in (found["service"] or "")


def test_once_it_is_imported_the_same_command_starts_the_service(mac: PlayedMac) -> None:
    steps.install(mac)
    signed(mac)
    assert steps.install(mac) is None
    assert "system/nl.bewust.service" in mac.loaded
    assert mac.commands.index("launchctl enable system/nl.bewust.service") < len(mac.commands) - 1
    found = steps.status(mac)
    assert found.pop("configuration profile") is not None
    assert set(found.values()) == {None}


def test_an_imported_catalogue_is_what_the_authority_has_to_cover(mac: PlayedMac) -> None:
    steps.install(mac)
    policy = bundles.organisation(mac.root.parent) / "policy.toml"
    policy.replace(mac.folder / "policy.toml")
    embedded = bundles.NEW.replace('"chat"', '"search"\nembedded = true').replace('"visit"', '"use"\npath = "/ask"')
    mac.state.mkdir(exist_ok=True)
    editions.store_bundle(mac.state, bundles.signed({**bundles.SHIPPED, "newcomer.toml": embedded}), editions.Pointer())
    assert "newcomer.example" in mac.rules().matcher.decrypted_hosts()


def test_an_authority_of_the_machine_itself_does_not_count(mac: PlayedMac) -> None:
    from datetime import UTC, datetime

    from bewust.authority import authority

    authority.issue(mac.state / "authority", ["www.google.nl"], datetime.now(UTC))
    assert steps.install(mac) == WAITING
    assert steps.status(mac)["imported authority"] == "it is this machine's own, which no browser here trusts"


def test_the_account_gets_a_number_of_its_own_once(mac: PlayedMac) -> None:
    steps.install(mac)
    assert mac.accounts["/Users/_bewust"] == mac.accounts["/Groups/_bewust"] == 283
    before = len([line for line in mac.commands if "-create" in line])
    steps.install(mac)
    assert len([line for line in mac.commands if "-create" in line]) == before


def test_the_state_is_the_services_alone_and_the_log_no_way_to_anything_else(mac: PlayedMac) -> None:
    steps.install(mac)
    assert mac.state.stat().st_mode & 0o777 == 0o700
    assert mac.folder.stat().st_mode & 0o777 == 0o755
    service = "Library/Application Support/Bewust"
    assert mac.given == [f"{service}/state", f"{service}/run", "Library/Logs/Bewust/service.log"]


def test_choices_reach_the_daemon_and_the_policy(mac: PlayedMac) -> None:
    chosen = PlayedMac(mac.root, Choices(9001, "http://proxy.voorbeeld.nl:3128"))
    steps.install(chosen)
    arguments = plistlib.loads(chosen.at(SERVICE_FILE).read_bytes())["ProgramArguments"]
    assert arguments[arguments.index("--port") + 1] == "9001"
    assert 'upstream = "http://proxy.voorbeeld.nl:3128"' in (chosen.folder / "policy.d/10-install.toml").read_text()
    assert PlayedMac(mac.root).choices == Choices(9001, "http://proxy.voorbeeld.nl:3128")


def test_the_profile_is_seen_by_what_chrome_was_told(mac: PlayedMac) -> None:
    steps.install(mac)
    file = mac.root / CHROME
    file.parent.mkdir(parents=True)
    for told, there in ((8787, True), (9001, False)):
        file.write_bytes(
            plistlib.dumps({"ProxySettings": policies.chromium_proxy(f"http://127.0.0.1:{told}/proxy.pac")})
        )
        assert (steps.status(mac)["configuration profile"] is None) is there
    file.write_bytes(b"bplist00 nothing")
    assert steps.status(mac)["configuration profile"] is not None


def test_what_fails_leaves_nothing(mac: PlayedMac) -> None:
    signed(mac)
    mac.failing = "launchctl bootstrap system"
    with pytest.raises(AdminError, match=r"launchctl bootstrap system .*plist: said no"):
        steps.install(mac)
    assert not mac.at(SERVICE_FILE).exists()
    assert "/Users/_bewust" not in mac.accounts
    assert (mac.state / "authority").is_dir()


def test_no_free_number_is_said(mac: PlayedMac) -> None:
    mac.accounts |= {f"/Users/x{number}": number for number in range(200, 500)}
    with pytest.raises(AdminError, match="no number from 281 to 399 is free"):
        steps.install(mac)


def test_a_login_that_cannot_be_started_now_stops_nobody_else(mac: PlayedMac) -> None:
    mac.failing = "launchctl bootstrap gui/501"
    steps.install(mac)
    assert mac.loaded == {"gui/502/nl.bewust.session"}


def test_taking_back_stops_all_and_keeps_what_was_counted_until_a_purge(mac: PlayedMac) -> None:
    signed(mac)
    steps.install(mac)
    assert steps.uninstall(mac, purge=False) == []
    assert mac.loaded == set()
    assert (mac.state / "authority").is_dir() and "/Users/_bewust" in mac.accounts
    again = PlayedMac(mac.root)
    again.accounts = mac.accounts
    assert steps.uninstall(again, purge=True) == []
    assert not mac.folder.exists() and "/Users/_bewust" not in mac.accounts
    assert mac.at(SESSION_FILE).is_file()  # the package's, gone with it


def test_a_failed_handshake_is_no_installation(mac: PlayedMac, monkeypatch: pytest.MonkeyPatch) -> None:
    signed(mac)

    def refuse(*_: object) -> None:
        raise AdminError("another authority answers")

    monkeypatch.setattr(handshake, "verify", refuse)
    with pytest.raises(AdminError, match="another authority answers"):
        steps.install(mac)
    assert "system/nl.bewust.service" not in mac.loaded


def test_a_mac_is_set_up_by_these_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert type(admin._machine()) is MacOS
