"""Canaries in every place that a bundle is made from; none of them in the zip."""

import json
import socket
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bewust.config.rules import load_rules
from bewust.doctor import bundle, examination
from bewust.doctor.finding import DoctorContext, degraded
from support.doctor import STATUS, here

CANARIES = {name: f"canary{name}zq7x" for name in (
    "user", "home", "fullname", "intranet", "organisation", "contact", "token", "host", "visited", "proxy", "own",
    "folder", "alternative", "guidelines", "breach", "log", "mail", "upstream", "direct", "service", "id",
)}  # fmt: skip
POLICY = f"""
internal_hosts = ["{CANARIES["intranet"]}.example"]
inspected_hosts = ["{CANARIES["own"]}.example"]
[page]
organisation = "Ministerie {CANARIES["organisation"]}"
guidelines = "https://{CANARIES["guidelines"]}.example/x"
breach = "mailto:{CANARIES["breach"]}@minbzk.example"
[release]
folder = "/srv/{CANARIES["folder"]}"
[network]
upstream = "http://{CANARIES["upstream"]}:3128"
direct = ["{CANARIES["direct"]}.example"]
[fill]
contact = "{CANARIES["contact"]}"
[service.{CANARIES["id"]}]
status = "contracted"
[service.chatgpt]
status = "uncontracted"
alternative = "{CANARIES["alternative"]}"
"""
SERVICE = f"""
[[service]]
id = "{CANARIES["id"]}"
name = "Own"
vendor = "Own"
context = "chat"
gap = "30m"
evidence = "Ours: https://{CANARIES["service"]}.example"
reviewed = 2026-11-23
  [[service.signature]]
  id = "visit"
  level = "visit"
  hosts = ["{CANARIES["service"]}.example"]
"""
NUMBER = 271828  # stands for a counter and for times and process ids


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DoctorContext:
    config = tmp_path / "config"
    (config / "services").mkdir(parents=True)
    (config / "policy.toml").write_text(POLICY)
    (config / "services/own.toml").write_text(SERVICE)
    user, home = CANARIES["user"], f"/data/{CANARIES['home']}"
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(
        f"root:x:0:0:root:/root:/bin/bash\n{user}:x:1000:1000:{CANARIES['fullname']},,,:{home}:/bin/bash\n"
    )
    there = here(
        tmp_path, rules=load_rules(config), network=False,
        environment={"USER": user, "HOME": home, "https_proxy": f"http://{CANARIES['proxy']}.example:1"},
    )  # fmt: skip
    (there.state / "run.json").write_text(json.dumps({"port": 1, "token": CANARIES["token"], "pid": NUMBER}))
    monkeypatch.setattr(socket, "gethostname", lambda: CANARIES["host"])
    visited = f"{CANARIES['visited']}.translate.goog"
    status = STATUS | {
        "demoted": {visited: "refused"}, "since": f"2026-{NUMBER}", "pid": NUMBER, "connections": {"direct": NUMBER},
        "silent": {"claude": NUMBER}, "toasts_shown": NUMBER, "sessions": NUMBER, "tunnelled": [visited],
        "problems": [f"{home}/x: no, {CANARIES['host']} and {CANARIES['intranet']}.example for {user.upper()}"],
        "failures": {f"{visited}: KeyError": 1},
    }  # fmt: skip
    return msgspec.structs.replace(there, status=status)


def log(folder: Path) -> Path:
    file = folder / "admin.log"
    lines = [f"2026-11-24 20:00:00,1 INFO files: /home/{CANARIES['log']}/x", "2026-11-24 INFO service: done",
             f"ERROR {CANARIES['mail']}@minbzk.example uid=1000 192.0.2.7 fe80::1234 {CANARIES['token']}"]  # fmt: skip
    file.write_text("\n".join(lines))
    return file


def texts(path: Path) -> Mapping[str, str]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_no_canary_is_in_the_zip(planted: DoctorContext, tmp_path: Path) -> None:
    findings = [f for _, check in examination.steps("linux") for f in examination.run_checks(check, planted)]
    findings.append(
        degraded(
            "problem",
            "y",
            f"{planted.state}, ministerie {CANARIES['organisation']}, {CANARIES['id']}",
            f"Ask {CANARIES['contact']}.",
        )
    )
    steps: dict[str, str | None] = {"files": f"/home/{CANARIES['user']}: is missing", "authority": None}
    bundle.write(tmp_path / "out.zip", bundle.collect(planted, findings, steps, log(tmp_path)))
    found = texts(tmp_path / "out.zip")
    assert set(found) == {
        "doctor.json", "versions.json", "installation.json", "policy.json", "status.json", "admin-log.txt",
    }  # fmt: skip
    for name, text in found.items():
        assert [c for c in CANARIES.values() if c in text.lower()] == [], name
        assert str(NUMBER) not in text, name
        for trace in ("192.0.2.7", "fe80::1234", "uid=1000", "minbzk"):
            assert trace not in text, name
    everything = "".join(found.values())
    assert (planted.state / "run.json").exists() and len(everything) > 2000, "there is something in it"


def test_what_support_needs_is_in_it(planted: DoctorContext, tmp_path: Path) -> None:
    findings = [degraded("inspector", "agent", "The inspector does not run.", "Wait.")]
    found = bundle.collect(planted, findings, {"service": "bewust.service does not run"}, log(tmp_path))
    assert json.loads(found["doctor.json"])[0]["what"] == "The inspector does not run."
    assert json.loads(found["installation.json"]) == {"service": "bewust.service does not run"}
    policy = json.loads(found["policy.json"])
    assert policy["page"] == dict.fromkeys(("organisation", "guidelines", "breach"), "(set)"), (
        "what we ship is left out"
    )
    assert policy["service"]["chatgpt"]["status"] == "uncontracted"
    assert policy["network"] == {"upstream": "(set)", "direct": "(set)"} and policy["release"] == {"folder": "(set)"}
    assert bundle.policy(here(tmp_path).rules.policy) == {}
    assert json.loads(found["status.json"])["version"] == STATUS["version"]
    assert "service: done" in found["admin-log.txt"]
    versions = json.loads(found["versions.json"])
    assert versions["bewust"] == STATUS["version"] and versions["mitmproxy"][0].isdigit()


def test_a_mistake_in_the_settings_is_told_without_what_was_written(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text(f"timezone = 'Ministerie {CANARIES['organisation']}'")
    rules, wrong = examination.settings(tmp_path, None)
    there = here(tmp_path, rules=rules, status=STATUS | {"problems": [wrong.what]})
    problem = msgspec.structs.replace(wrong, id="problem")
    found = bundle.collect(there, [wrong, problem], {}, tmp_path / "gone.log")
    for name in ("doctor.json", "status.json"):
        assert "timezone" in found[name] and CANARIES["organisation"] not in found[name]


def test_without_an_agent_and_a_log_the_reasons_are_in_it(tmp_path: Path) -> None:
    there = here(tmp_path, status=None, why="Nobody answers.")
    found = bundle.collect(there, [], "cannot be seen", tmp_path / "gone.log")
    assert json.loads(found["status.json"]) == "Nobody answers."
    assert json.loads(found["installation.json"]) == "cannot be seen"
    assert "cannot be read" in found["admin-log.txt"]


def test_browsers_say_which_they_are(tmp_path: Path) -> None:
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "usr/bin/chromium").touch()
    there = here(tmp_path, run=lambda command: "Chromium 140.0.7339.16\n")
    assert bundle.versions(there)["usr/bin/chromium"] == "Chromium 140.0.7339.16"


def test_only_shipped_names_may_be_shown() -> None:
    shown = bundle.shown_hosts()
    assert "chatgpt.com" in shown


@pytest.mark.parametrize("words", [{}, {"page": {"organisation": "x" * 3}}])
def test_our_own_words_are_not_taken_for_the_organisations(words: dict[str, Any], tmp_path: Path) -> None:
    assert "etranslation" not in {w.lower() for w in bundle.identifying(here(tmp_path))}
    assert not [w for w in bundle.identifying(here(tmp_path)) if "eTranslation" in w]


def test_the_zip_is_its_owners_and_is_not_written_twice(tmp_path: Path) -> None:
    file = tmp_path / "x.zip"
    bundle.write(file, {"a.txt": "first"})
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        bundle.write(file, {"a.txt": "second"})
    assert texts(file) == {"a.txt": "first"}
    with zipfile.ZipFile(file) as archive:
        assert archive.infolist()[0].date_time == (1980, 1, 1, 0, 0, 0), "the time of it is nobody's business"
