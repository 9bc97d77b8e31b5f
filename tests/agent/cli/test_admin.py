"""`bewust admin` by hand: who may, what it says, and its exit codes. The steps: tests/agent/admin."""

import json
import os
import plistlib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from bewust.browsers.known import KNOWN
from bewust.cli import admin
from bewust.cli.main import main
from bewust.errors import ADMIN
from support.linux_machine import Played, machine, put
from support.organisation_authority import Organisation, pem


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = machine(tmp_path / "root", "usr/bin/chromium")

    class Here(Played):
        def __init__(self, chosen: object = None) -> None:
            super().__init__(root, chosen)  # type: ignore[arg-type]

    monkeypatch.setattr(admin, "_machine", Here)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return root


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["admin", *arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


def test_a_life_in_order(root: Path) -> None:
    assert run("status")[0] == 1
    assert run("install", "--port", "9999") == (0, "Bewust is set up. A handshake through it holds.\n")
    _, said = run("status", "--json")
    assert json.loads(said)["policies of Chromium"] is None
    assert run("upgrade")[0] == 0
    policy = (root / "etc/chromium/policies/managed/zz-bewust.json").read_text()
    assert ":9999/" in policy, "an upgrade keeps what was chosen"
    assert run("uninstall")[0] == 0
    assert (root / "var/lib/bewust").exists()
    assert run("uninstall", "--purge") == (0, "Bewust left nothing behind.\n")
    assert not (root / "var/lib/bewust").exists()
    assert "policies of Chromium: done" in (root / "var/log/bewust-admin.log").read_text()


def test_the_other_proxy_is_gone_through_when_told_and_left_again(root: Path) -> None:
    put(root / "etc/chromium/policies/managed/corp.json", {"ProxyMode": "system"})
    code, said = run("install")
    assert code == 8 and "corp.json" in said and "--upstream" in said
    assert run("install", "--upstream", "http://proxy.example:3128")[0] == 0
    assert (root / "etc/bewust/policy.d/10-install.toml").exists()
    assert run("install", "--upstream", "none")[0] == 8


@pytest.mark.parametrize(
    "url",
    ["proxy.example", "http://Proxy.example:1", "https://proxy.example:1", "http://a:b@p:1", 'http://x":1', "http://p"],
)
def test_an_upstream_that_is_none_is_refused(root: Path, url: str) -> None:
    assert run("install", "--upstream", url)[0] == 2


def test_only_root_changes_a_machine(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    for verb in ("install", "upgrade", "uninstall"):
        code, said = run(verb)
        assert code == 8 and "as root" in said


def test_a_profile_is_written_from_a_root_and_a_policy(tmp_path: Path) -> None:
    root, policy, out = tmp_path / "root.pem", tmp_path / "policy.toml", tmp_path / "bewust.mobileconfig"
    root.write_bytes(pem(Organisation(datetime.now(UTC)).certificate))
    policy.write_text('[page]\norganisation = "Gemeente Voorbeeld"\n', encoding="utf-8")
    code, said = run("profile", "--organisation-root", str(root), "--policy", str(policy), "--out", str(out))
    payloads = 4 + sum(one.macos is not None for one in KNOWN)
    assert (code, said) == (0, f"{out}: {payloads} payloads. Have device management sign and send it before the "
                               "package (docs/macos.md).\n")  # fmt: skip
    whole = plistlib.loads(out.read_bytes())
    assert whole["PayloadOrganization"] == "Gemeente Voorbeeld"
    assert {one["PayloadType"] for one in whole["PayloadContent"]} >= {"com.apple.security.root", "nl.bewust"}
    code, said = run("profile", "--safari")
    assert code == 0 and plistlib.loads(said.encode())["PayloadOrganization"] == "Bewust"


def test_what_a_profile_cannot_be_made_of_is_one_line(tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('[page]\norganisation = "\\u0001"\n', encoding="utf-8")
    code, said = run("profile", "--policy", str(policy))
    assert code == 3 and "cannot stand in a profile" in said
    policy.write_text("colour = 1\n", encoding="utf-8")
    assert run("profile", "--policy", str(policy))[0] == 3
    code, said = run("profile", "--organisation-root", str(tmp_path / "none.pem"))
    assert code == 7 and "none.pem: cannot be read" in said
    code, said = run("profile", "--out", str(tmp_path / "none" / "x.mobileconfig"))
    assert code == ADMIN and "No such file" in said
