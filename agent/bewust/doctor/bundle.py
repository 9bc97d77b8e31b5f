"""What support needs to see of a machine, and nothing of who uses it.

Belongs here: which facts, chosen one by one; what is not named here is not in it. Not here: taking out
what still identifies (redaction). There are no counters in it, and nothing that follows from them.
"""

import json
import os
import platform
import re
import socket
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec

from bewust import __version__
from bewust.browsers import linux
from bewust.config import Policy, load_rules
from bewust.config import policy as policy_room
from bewust.daemon import running_agent
from bewust.doctor.finding import DoctorContext, Finding
from bewust.doctor.redaction import ADDRESS, HOST, SECRET, SET, USER, Redactor
from bewust.model import Depth

LOG_LINES = 200
_QUOTED = re.compile(r"(?<!\w)'[^']*'|\"[^\"]*\"")
PEOPLE = range(1000, 65534)  # user ids
# Of the status: nothing of time, hosts that were visited, connections, or what follows from counters.
STATUS = ("version", "inspector", "inspector_starts", "authority_since", "authority_until", "authority_fingerprint",
          "uncovered", "toasts_failed", "failures", "problems")  # fmt: skip
# Of the policy: what is a choice among few. All else is the organisation's own words, and only "(set)".
POLICY = ("language", "timezone", "countries", "mechanism", "flush", "demoted_for", "reminders")
RELEASE = ("services", "epsilon", "yearly")
DECISION = ("status", "depth", "data_sharing", "retention", "training")
LIBRARIES = ("mitmproxy", "cryptography", "msgspec", "plyer", "sqlite-utils", "starlette", "uvicorn")


def collect(
    here: DoctorContext, findings: Sequence[Finding], steps: Mapping[str, str | None] | str, log: Path
) -> dict[str, str]:
    """Return the files of a bundle by name, redacted. `steps` is the status of the installation, or why none."""
    status = here.status
    if status is not None:
        status = {**status, "problems": [_unquoted(problem) for problem in status["problems"]]}
    found: dict[str, Any] = {
        "doctor.json": [_finding(finding) for finding in findings],
        "versions.json": versions(here),
        "installation.json": steps,
        "policy.json": policy(here.rules.policy),
        "status.json": here.why if status is None else {key: status[key] for key in STATUS if key in status},
    }
    redact = Redactor(identifying(here), shown_hosts())
    files = {
        name: json.dumps(redact.value(about), indent=2, ensure_ascii=False) + "\n" for name, about in found.items()
    }
    files["admin-log.txt"] = "".join(f"{redact.text(line)}\n" for line in _tail(log))
    return files


def _finding(finding: Finding) -> dict[str, Any]:
    said = _unquoted(finding.what) if finding.id in ("settings", "problem") else finding.what
    return msgspec.to_builtins(finding) | {"what": said}  # type: ignore[no-any-return]


def _unquoted(text: str) -> str:
    """Take out what a mistake in the settings is quoted with: settings that are wrong tell us no words to take out."""
    return _QUOTED.sub(SET, text)


def versions(here: DoctorContext) -> dict[str, str]:
    """Return what is installed: ours, what it stands on, the system, the browsers."""
    found = {"bewust": __version__, "python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    found["system"] = f"{platform.system()} {platform.release()} {platform.machine()}"
    if sys.platform == "linux":
        try:
            found["distribution"] = platform.freedesktop_os_release().get("PRETTY_NAME", "")
        except OSError:
            found["distribution"] = "unknown"
        for program in (program for one in linux.every() for program in one.build.programs):
            if (here.root / program).exists():
                found[program] = (here.run([str(here.root / program), "--version"]) or "does not say").strip()
    return found


def policy(decided: Policy) -> dict[str, Any]:
    """Return what the policy has otherwise than ours, with the organisation's own words left out."""
    table = policy_room.as_table(decided)
    found: dict[str, Any] = _differing(table, policy_room.as_table(policy_room.load()), _shown(table))
    return found


def _differing(table: Any, shipped: Any, shown: Any) -> Any:
    if not isinstance(table, Mapping) or not isinstance(shipped, Mapping) or not isinstance(shown, Mapping):
        return shown
    return {
        key: _differing(value, shipped.get(key), shown[key])
        for key, value in table.items()
        if key not in shipped or value != shipped[key]
    }


def _shown(table: Mapping[str, Any]) -> dict[str, Any]:
    shown = {key: value if key in POLICY else _left_out(value) for key, value in table.items()}
    shown["release"] = {k: v if k in RELEASE else _left_out(v) for k, v in table["release"].items()}
    shown["service"] = {
        name: {k: v if k in DECISION else _left_out(v) for k, v in service.items()}
        for name, service in table["service"].items()
    }
    return shown


def _left_out(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _left_out(inner) for key, inner in value.items()}
    if isinstance(value, bool) or value is None or not value:
        return value
    return SET


def _own_words(decided: Policy) -> Iterator[str]:
    """Yield the organisation's own words: what `policy` leaves out, as far as we did not ship it ourselves."""
    table = policy_room.as_table(decided)
    shipped = set(_leaves(policy_room.as_table(policy_room.load())))
    yield from (word for word in _hidden(table, _shown(table)) if word not in shipped and len(word) > 2)


def _hidden(table: Any, shown: Any) -> Iterator[str]:
    if shown == SET:
        yield from _leaves(table)
    elif isinstance(table, Mapping) and isinstance(shown, Mapping):
        for key, value in table.items():
            yield from _hidden(value, shown[key])


def _leaves(table: Any) -> Iterator[str]:
    if isinstance(table, str):
        yield table
    elif isinstance(table, Mapping):
        for value in table.values():
            yield from _leaves(value)
    elif isinstance(table, list | tuple):
        for value in table:
            yield from _leaves(value)


def identifying(here: DoctorContext) -> dict[str, str]:
    """Return the words that tell whose machine this is, and what is put in their place."""
    words = dict.fromkeys(_own_words(here.rules.policy), SET)
    words |= dict.fromkeys(set(here.rules.services) - set(load_rules(None).services), SET)
    running = running_agent(here.state)
    if running is not None:
        words[running.token] = SECRET
    name = socket.gethostname()
    words |= {part: HOST for part in (name, name.partition(".")[0]) if part not in ("", "localhost")}
    for variable in ("USER", "LOGNAME", "USERNAME", "SUDO_USER"):
        if here.environment.get(variable, "root") != "root":
            words[here.environment[variable]] = USER
    for variable in ("HOME", "USERPROFILE"):
        home = here.environment.get(variable, "")
        if len(Path(home).parts) > 2:  # /root is everybody's
            words[home] = USER
    for variable in ("SSH_CONNECTION", "SSH_CLIENT"):
        words |= dict.fromkeys(here.environment.get(variable, "").split()[:1], ADDRESS)
    return words | dict.fromkeys(_people(here.root), USER)


def _people(root: Path) -> Iterable[str]:
    """Return the names and home folders of the people of this machine."""
    try:
        lines = (root / "etc/passwd").read_text("utf-8", "replace").splitlines()
    except OSError:
        return []
    fields = [line.split(":") for line in lines if line.count(":") >= 6]
    people = [row for row in fields if row[2].isdecimal() and int(row[2]) in PEOPLE]
    return [word for row in people for word in (row[0], *row[4].split(",")[:1], row[5]) if word not in ("", "/")]


def shown_hosts() -> set[str]:
    """Return the names that may be shown: those of the catalogue as shipped, never an organisation's additions."""
    return set(load_rules(None).matcher.hosts(*Depth))


def _tail(log: Path) -> list[str]:
    try:
        return log.read_text("utf-8", "replace").splitlines()[-LOG_LINES:]
    except OSError as error:
        return [f"{log}: cannot be read ({error.strerror})"]


def write(path: Path, files: Mapping[str, str]) -> None:
    """Write the files as one zip that only its owner can read. Raises OSError, where there is one already too."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name), text)  # a ZipInfo of its own has no time of now
