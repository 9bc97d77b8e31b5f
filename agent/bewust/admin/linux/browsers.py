"""The steps that tell each browser of a Linux machine its proxy and its trust.

Belongs here: laying our keys into files, and taking them out. Not here: the keys themselves (browsers.policies).
"""

import base64
import json
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificate

from bewust.admin import files
from bewust.admin.record import PreviousValue, Record
from bewust.admin.steps import Choices
from bewust.browsers import linux, policies
from bewust.browsers.known import Family
from bewust.browsers.linux import Installed
from bewust.errors import AdminError

REMEDY = "Have Bewust go through that proxy (bewust admin install --upstream http://NAME:PORT), or remove it."


class Place(Protocol):
    """What these steps need of the machine."""

    root: Path
    root_pem: Path
    pac_url: str
    choices: Choices
    record: Record

    def remember(self, back: ExitStack) -> None:
        """Write the record down."""


class ChromiumPolicies:
    """One browser of Chromium's kind: a file of our own among those of others."""

    def __init__(self, place: Place, browser: Installed) -> None:
        self.name = f"policies of {browser.name}"
        self._place = place
        self._file = browser.file(place.root)
        self._folder = self._file.parent

    def done(self) -> str | None:
        """Return what is not as we would set it."""
        if self._claimed() is not None:
            return self._claimed()
        if not self._place.root_pem.is_file() or linux.read(self._file) != self._wanted():
            return f"{self._file}: is not there, or is another"
        return None

    def do(self, back: ExitStack) -> None:
        """Write it, unless somebody else decided about the proxy."""
        if claimed := self._claimed():
            raise AdminError(f"{claimed}. {REMEDY}")
        record = self._place.record
        record.folders = _with_new(record.folders, self._folder)
        self._place.remember(back)
        files.write(self._file, _json(self._wanted()), 0o644, back)

    def undo(self) -> None:
        """Remove our file, and the folders that we made."""
        self._file.unlink(missing_ok=True)
        files.removed_if_empty([Path(folder) for folder in self._place.record.folders])

    def _wanted(self) -> policies.Table:
        others, _ = linux.set_by_others(self._folder)
        return policies.chromium(self._place.pac_url, encoded(self._place.root_pem.read_bytes()), others)

    def _claimed(self) -> str | None:
        """Return in words who else decided about the proxy, where that is in our way."""
        others, origin = linux.set_by_others(self._folder)
        key = policies.foreign_proxy(others, self._place.pac_url)
        if key is None:
            return None
        if not self._place.choices.upstream:
            return f"{origin[key]}: sets {key}, so this browser has a proxy already"
        if origin[key].name > linux.OURS:
            return f"{origin[key]}: sets {key}, and counts over {linux.OURS} because its name comes later"
        return None


class FirefoxPolicies:
    """One of Firefox's kind: one file for everybody, so our keys among those of others."""

    def __init__(self, place: Place, browser: Installed) -> None:
        self.name = f"policies of {browser.name}"
        self._place = place
        self._file = browser.file(place.root)
        self._key = str(self._file)
        self._all_older = browser.build.older

    def done(self) -> str | None:
        """Return what is not as we would set it."""
        if self._claimed(self._policies()):
            return f"{self._file}: has another proxy"
        now = self._policies()
        wanted = policies.with_ours(now, self._place.pac_url, str(self._place.root_pem))
        return None if now == wanted else f"{self._file}: lacks our keys"

    def do(self, back: ExitStack) -> None:
        """Lay our keys in, unless somebody else decided about the proxy."""
        record = self._place.record
        now = self._policies()
        if self._claimed(now) and not self._place.choices.upstream:
            raise AdminError(f"{self._file}: sets Proxy, so this browser has a proxy already. {REMEDY}")
        whole = linux.read(self._file) or linux.read(self._older())
        wanted = _json(whole | {"policies": policies.with_ours(now, self._place.pac_url, str(self._place.root_pem))})
        if self._file.is_file() and self._file.read_bytes() == wanted:
            return
        record.folders = _with_new(record.folders, self._file.parent)
        if self._key not in record.laid or self._text() != record.laid[self._key].left:
            record.laid[self._key] = PreviousValue(self._text(), wanted.decode())
        else:
            record.laid[self._key] = PreviousValue(record.laid[self._key].text, wanted.decode())
        self._place.remember(back)
        files.write(self._file, wanted, 0o644, back)

    def undo(self) -> None:
        """Take our keys out. A file that nobody touched since is put back byte for byte."""
        before = self._place.record.laid.get(self._key)
        if before is not None and self._text() == before.left:
            self._put_back(before.text)
        elif self._file.is_file():
            kept = json.loads(before.text).get("policies", {}) if before is not None and before.text else {}
            proxy = kept.get("Proxy") if isinstance(kept, dict) else None
            whole = linux.read(self._file)
            left = policies.without_ours(self._policies(), self._place.pac_url, str(self._place.root_pem), proxy)
            self._put_back(_json(whole | {"policies": left}).decode())
        files.removed_if_empty([Path(folder) for folder in self._place.record.folders])

    def _put_back(self, text: str | None) -> None:
        if text is None:
            self._file.unlink(missing_ok=True)
        else:
            files.write(self._file, text.encode(), self._file.stat().st_mode & 0o777, ExitStack())

    def _claimed(self, now: policies.Table) -> bool:
        before = self._place.record.laid.get(self._key)
        if before is not None and self._text() == before.left:  # ours, by an older choice of port
            return False
        return policies.foreign_firefox_proxy(now, self._place.pac_url)

    def _policies(self) -> policies.Table:
        """Return what is set now. Where only the older file is there it is that, and it moves along."""
        file = self._file if self._file.exists() else self._older()
        found = linux.read(file).get("policies", {})
        if not isinstance(found, dict):
            raise AdminError(f"{file}: policies is no object. Mend it, and run the same again.")
        return found

    def _older(self) -> Path:
        there = [self._place.root / path for path in self._all_older if (self._place.root / path).is_file()]
        return there[0] if there else self._file

    def _text(self) -> str | None:
        try:
            return self._file.read_text("utf-8")
        except (FileNotFoundError, UnicodeDecodeError):
            return None


def steps(place: Place) -> list[ChromiumPolicies | FirefoxPolicies]:
    """Return a step for each browser that is there, or that left while our policy stayed."""
    kinds: dict[Family, type[ChromiumPolicies | FirefoxPolicies]] = {
        Family.CHROMIUM: ChromiumPolicies, Family.FIREFOX: FirefoxPolicies,
    }  # fmt: skip
    return [kinds[one.browser.family](place, one) for one in linux.to_set(place.root)]


def encoded(root_pem: bytes) -> str:
    """Return a certificate as Chromium's policy wants it: base64 of its DER."""
    return base64.b64encode(load_pem_x509_certificate(root_pem).public_bytes(Encoding.DER)).decode()


def _json(table: policies.Table) -> bytes:
    return json.dumps(table, indent=2, ensure_ascii=False).encode() + b"\n"


def _with_new(folders: list[str], folder: Path) -> list[str]:
    """Return the folders with those added that will have to be made for this one."""
    new = [str(path) for path in (folder, *folder.parents) if not path.exists()]
    return list(dict.fromkeys([*folders, *new]))
