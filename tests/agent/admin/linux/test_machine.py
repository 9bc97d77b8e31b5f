"""The steps on Linux in a machine that is a folder: all or nothing, twice as once, and taken back whole."""

import json
import os
from pathlib import Path

import pytest

from bewust.admin import steps
from bewust.admin.steps import Choices
from bewust.authority import authority
from bewust.catalogue import editions
from bewust.config.rules import load_rules
from bewust.errors import AdminError
from support import bundles
from support.linux_machine import Played, machine, put, tree, unconstrained
from support.organisation_authority import imported

CHROMIUM = "usr/bin/chromium"
FIREFOX = "usr/bin/firefox-esr"
OURS = "etc/chromium/policies/managed/zz-bewust.json"
FIREFOX_POLICY = "etc/firefox/policies/policies.json"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return machine(tmp_path / "root", CHROMIUM, FIREFOX)


def test_an_installation_tells_the_browsers_that_are_there(root: Path) -> None:
    steps.install(Played(root))
    chromium = json.loads((root / OURS).read_text())
    assert chromium["ProxySettings"]["ProxyPacUrl"] == "http://127.0.0.1:8787/proxy.pac"
    assert chromium["ProxySettings"]["ProxyPacMandatory"] is False
    assert chromium["PolicyListMultipleSourceMergeList"] == ["CACertificates"]
    firefox = json.loads((root / FIREFOX_POLICY).read_text())["policies"]
    assert firefox["Proxy"]["AutoConfigURL"] == "http://127.0.0.1:8787/proxy.pac"
    assert firefox["Certificates"]["Install"] == [str(root / "var/lib/bewust/root.pem")]
    assert not (root / "etc/opt").exists(), "a browser that is not there was told something"
    assert (root / OURS).stat().st_mode & 0o777 == 0o644
    assert (root / "var/lib/bewust/state").stat().st_mode & 0o777 == 0o700


def test_the_published_root_speaks_for_the_decrypt_list_and_nothing_else(root: Path) -> None:
    steps.install(Played(root))
    hosts = load_rules(None).matcher.decrypted_hosts()
    found = authority.check_root((root / "var/lib/bewust/root.pem").read_bytes(), hosts)
    assert "Bewust local authority" in found.subject.rfc4514_string()


def test_an_imported_catalogue_is_part_of_the_decrypt_list(root: Path) -> None:
    made = Played(root)
    steps.install(made)
    (root / "etc/bewust").mkdir(exist_ok=True)
    policy = bundles.organisation(root.parent) / "policy.toml"
    policy.replace(root / "etc/bewust/policy.toml")
    embedded = bundles.NEW.replace('"chat"', '"search"\nembedded = true').replace('"visit"', '"use"\npath = "/ask"')
    editions.store_bundle(
        made.state, bundles.signed({**bundles.SHIPPED, "newcomer.toml": embedded}), editions.Pointer()
    )
    steps.install(Played(root))
    assert "newcomer.example" in authority.load(made.state / "authority").hosts


def test_twice_is_as_once(root: Path) -> None:
    steps.install(Played(root))
    before = tree(root)
    steps.install(Played(root))
    assert tree(root) == before


@pytest.mark.parametrize("booted", [False, True])
def test_uninstalling_with_a_purge_leaves_the_machine_as_it_was(root: Path, booted: bool) -> None:
    put(root / "etc/chromium/policies/managed/corp.json", {"HomepageLocation": "https://intranet.example"})
    put(root / FIREFOX_POLICY, {"policies": {"DisableTelemetry": True}})
    before = tree(root)
    for purge in (False, True):
        found = Played(root)
        found.booted = booted
        steps.install(found)
        again = Played(root)
        again.booted = booted
        assert steps.uninstall(again, purge) == []
    left = tree(root)
    for unit in list(left):  # systemctl's own folder, which the real one removes
        if unit.startswith("etc/systemd"):
            del left[unit]
    assert left == before


def test_a_browser_that_left_before_us_keeps_nothing_of_ours(root: Path) -> None:
    steps.install(Played(root))
    (root / "usr/bin/chromium").unlink()
    assert (root / OURS).exists()
    assert steps.uninstall(Played(root), purge=False) == []
    assert not (root / OURS).exists()


def test_without_a_purge_the_authority_and_the_settings_stay(root: Path) -> None:
    steps.install(Played(root))
    put(root / "etc/bewust/policy.d/50-ours.toml", {})
    kept = (root / "var/lib/bewust/state/authority/root.pem").read_bytes()
    assert steps.uninstall(Played(root), purge=False) == []
    assert not (root / OURS).exists() and not (root / FIREFOX_POLICY).exists()
    assert (root / "etc/bewust/policy.d/50-ours.toml").exists()
    (root / "etc/bewust/policy.d/50-ours.toml").write_text("")
    steps.install(Played(root))
    assert (root / "var/lib/bewust/root.pem").read_bytes() == kept


# Every command that an installation runs, in turn the one that fails.
@pytest.mark.parametrize("failing", ["useradd", "bewust", "systemctl enable", "systemctl start", "systemctl --global"])
def test_a_failure_half_way_puts_back_what_was_there(root: Path, failing: str) -> None:
    before = tree(root)
    found = Played(root)
    found.failing, found.booted = failing, True
    with pytest.raises(AdminError, match="said no"):
        steps.install(found)
    left = {path: entry for path, entry in tree(root).items() if not path.startswith("etc/systemd")}
    assert left == before


def test_a_handshake_that_fails_puts_back_what_was_there(root: Path) -> None:
    before = tree(root)
    found = Played(root)
    found.refusal = "another authority answers"
    with pytest.raises(AdminError, match="another authority"):
        steps.install(found)
    left = {path: entry for path, entry in tree(root).items() if not path.startswith("etc/systemd")}
    assert left == before


def test_a_failed_upgrade_leaves_the_installation_in_force(root: Path) -> None:
    steps.install(Played(root))
    before = tree(root)
    found = Played(root, Choices(port=9999))
    found.refusal = "another authority answers"
    with pytest.raises(AdminError):
        steps.install(found)
    assert tree(root) == before


@pytest.mark.parametrize("file", [
    ("etc/chromium/policies/managed/corp.json", {"ProxySettings": {"ProxyMode": "system"}}),
    ("etc/chromium/policies/managed/corp.json", {"ProxyMode": "fixed_servers", "ProxyServer": "proxy.example:3128"}),
    (FIREFOX_POLICY, {"policies": {"Proxy": {"Mode": "manual", "HTTPProxy": "proxy.example:3128"}}}),
])  # fmt: skip
def test_another_proxy_is_refused_and_left_alone(root: Path, file: tuple[str, object]) -> None:
    theirs = put(root / file[0], file[1])
    before = tree(root)
    with pytest.raises(AdminError, match="--upstream") as refused:
        steps.install(Played(root))
    assert str(theirs) in str(refused.value)
    left = {path: entry for path, entry in tree(root).items() if not path.startswith("etc/systemd")}
    assert left == before


@pytest.mark.parametrize(
    "text", ["http_proxy=http://proxy.example:3128\n", 'export HTTPS_PROXY="http://p.example:1"\n']
)
def test_a_proxy_of_the_whole_machine_is_refused_too(root: Path, text: str) -> None:
    (root / "etc/environment").write_text(text)
    with pytest.raises(AdminError, match=r"etc/environment.*--upstream"):
        steps.install(Played(root))


def test_told_so_it_goes_through_the_other_proxy_and_later_gives_it_back(root: Path) -> None:
    put(root / "etc/chromium/policies/managed/corp.json", {"ProxyMode": "fixed_servers", "ProxyServer": "p.example:1"})
    put(root / FIREFOX_POLICY, {"policies": {"Proxy": {"Mode": "manual", "HTTPProxy": "p.example:1"}}})
    before = tree(root)
    steps.install(Played(root, Choices(upstream="http://p.example:1")))
    assert json.loads((root / FIREFOX_POLICY).read_text())["policies"]["Proxy"]["Mode"] == "autoConfig"
    assert 'upstream = "http://p.example:1"' in (root / "etc/bewust/policy.d/10-install.toml").read_text()
    steps.install(Played(root))  # an upgrade remembers what was chosen
    assert (root / "etc/bewust/policy.d/10-install.toml").exists()
    assert steps.uninstall(Played(root), purge=True) == []
    assert {p: e for p, e in tree(root).items() if not p.startswith("etc/systemd")} == before


def test_a_file_that_would_count_over_ours_is_refused_with_its_name(root: Path) -> None:
    put(root / "etc/chromium/policies/managed/zzz.json", {"ProxyMode": "direct"})
    with pytest.raises(AdminError, match=r"zzz\.json.*counts over"):
        steps.install(Played(root, Choices(upstream="http://p.example:1")))


def test_what_others_add_to_firefox_later_survives_our_leaving(root: Path) -> None:
    steps.install(Played(root))
    table = json.loads((root / FIREFOX_POLICY).read_text())
    table["policies"]["DisableTelemetry"] = True
    put(root / FIREFOX_POLICY, table)
    assert steps.uninstall(Played(root), purge=False) == []
    assert json.loads((root / FIREFOX_POLICY).read_text()) == {"policies": {"DisableTelemetry": True}}


def test_the_older_policies_of_firefox_move_along(root: Path) -> None:
    older = put(root / "usr/lib/firefox-esr/distribution/policies.json", {"policies": {"DisableTelemetry": True}})
    steps.install(Played(root))
    assert json.loads((root / FIREFOX_POLICY).read_text())["policies"]["DisableTelemetry"] is True
    assert steps.uninstall(Played(root), purge=False) == []
    assert older.exists() and not (root / FIREFOX_POLICY).exists()


def test_a_policy_file_of_others_that_is_broken_is_named(root: Path) -> None:
    (root / "etc/chromium/policies/managed").mkdir(parents=True)
    (root / "etc/chromium/policies/managed/corp.json").write_text("{")
    with pytest.raises(AdminError, match=r"corp\.json: is not JSON"):
        steps.install(Played(root))


def test_another_port_goes_into_the_socket_and_the_policies(root: Path) -> None:
    found = Played(root, Choices(port=9999))
    found.booted = True
    steps.install(found)
    assert "ListenStream=127.0.0.1:9999" in (root / "etc/systemd/system/bewust.socket.d/port.conf").read_text()
    assert ":9999/" in json.loads((root / OURS).read_text())["ProxySettings"]["ProxyPacUrl"]
    steps.install(back := Played(root, Choices()))
    assert not (root / "etc/systemd/system/bewust.socket.d/port.conf").exists()
    assert "systemctl daemon-reload" not in back.commands, "systemd does not run, and is asked nothing"


def test_an_upgrade_keeps_the_port_open(root: Path) -> None:
    steps.install(Played(root))
    found = Played(root)
    found.booted = True
    steps.install(found)
    assert "systemctl start bewust.socket" in found.commands
    assert not [line for line in found.commands if "stop" in line and "bewust.socket" in line]


def test_the_status_tells_what_is_not_in_force(root: Path) -> None:
    steps.install(Played(root))
    (root / OURS).unlink()
    found = steps.status(Played(root))
    assert found["policies of Firefox"] is None and found["authority"] is None
    assert OURS in str(found["policies of Chromium"])


@pytest.mark.parametrize("planted", ["link", "pipe", "wide"])
def test_the_services_account_cannot_have_root_publish_anything_else(root: Path, planted: str, tmp_path: Path) -> None:
    steps.install(Played(root))
    pem = root / "var/lib/bewust/state/authority/root.pem"
    published = (root / "var/lib/bewust/root.pem").read_bytes()
    pem.unlink()
    if planted == "link":
        (tmp_path / "shadow").write_text("secret")
        pem.symlink_to(tmp_path / "shadow")
    elif planted == "pipe":
        os.mkfifo(pem)
    else:
        pem.write_bytes(unconstrained())
    found = Played(root)
    found.run = lambda *command, account=None: ""  # type: ignore[method-assign] # the account would not renew it
    with pytest.raises(AdminError):
        steps.install(found)
    assert (root / "var/lib/bewust/root.pem").read_bytes() == published


def test_a_root_of_the_organisations_is_published_on_the_administrators_word_only(root: Path) -> None:
    steps.install(Played(root))
    hosts = load_rules(None).matcher.decrypted_hosts()
    theirs = imported(root / "var/lib/bewust/state/authority", hosts)
    with pytest.raises(AdminError, match="would not be limited to the decrypt list"):
        steps.install(Played(root))
    vouched = root / "etc/bewust/organisation-root.pem"
    vouched.write_bytes(theirs.read_bytes())
    steps.install(Played(root))
    assert (root / "var/lib/bewust/root.pem").read_bytes() == theirs.read_bytes()
    assert steps.status(Played(root))["authority"] is None
    vouched.write_bytes(unlimited := unconstrained())
    with pytest.raises(AdminError, match="is not the root of this machine's authority; import one that it signed"):
        steps.install(Played(root))
    assert (root / "var/lib/bewust/root.pem").read_bytes() != unlimited
