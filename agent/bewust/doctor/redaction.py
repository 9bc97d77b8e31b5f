"""Taking out of a text whatever could tell whose machine it came from.

Belongs here: words that are known to identify, and patterns of those that are not known beforehand. Not
here: what is collected (catalogue.signed_file), which leaves out most things from the start. Where both are in
doubt more is taken out than is needed: a support desk can ask.
"""

import ipaddress
import re
from collections.abc import Collection, Mapping
from typing import Any

USER, HOST, ADDRESS, SET, SECRET = "(user)", "(host)", "(address)", "(set)", "(secret)"
WORD = 5  # letters; a shorter word is taken out only where it stands alone
# Last parts of names that are files and units of ours or of systemd, and no domains.
FILES = frozenset({"conf", "db", "json", "log", "new", "pac", "pem", "plist", "service", "socket", "target", "toml"})

_MAIL = re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+")
_AUTHORITY = re.compile(r"(?<=://)[^\s/\"'<>]+")
_HOME = re.compile(r"((?:/home/|/Users/|\\Users\\)(?!\())[^/\\\s\"':,;]+")
_UID = re.compile(r"(?i)(\buid\W{0,3}|/run/user/|\buser@|--machine=)[0-9]+")
_MAC = re.compile(r"(?i)\b(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}\b")
_IPV6 = re.compile(r"(?i)(?<![\w:])[0-9a-f]{0,4}:[0-9a-f:]*:[0-9a-f:.]*")
_IPV4 = re.compile(r"(?<![\w.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![\w]|\.[0-9])")
_NAME = re.compile(r"[\w-]+(?:\.[\w-]+)+")
_LOOPBACK = re.compile(r"127\.0\.0\.1(?::[0-9]+)?")


class Redactor:
    """`words` maps what identifies to what is put in its place; `hosts` are names that may be shown."""

    def __init__(self, words: Mapping[str, str], hosts: Collection[str]) -> None:
        self._words = {word.casefold(): place for word, place in words.items() if word}
        self._hosts = frozenset(host.lower().removeprefix("*.") for host in hosts)
        longest = sorted(filter(None, words), key=len, reverse=True)
        each = [re.escape(w) if len(w) >= WORD else rf"(?<![^\W_]){re.escape(w)}(?![^\W_])" for w in longest]
        self._known = re.compile("|".join(each), re.IGNORECASE) if each else None

    def value(self, value: Any) -> Any:
        """Return what JSON can hold with every text in it redacted, the keys of objects too."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.value(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(inner) for inner in value]
        return value

    def text(self, text: str) -> str:
        """Return a text without what identifies."""
        if self._known is not None:
            text = self._known.sub(lambda found: self._words.get(found[0].casefold(), SECRET), text)
        text = _UID.sub(rf"\1{USER}", text)
        text = _MAIL.sub(ADDRESS, text)
        text = _AUTHORITY.sub(lambda found: found[0] if _LOOPBACK.fullmatch(found[0]) else HOST, text)
        text = _HOME.sub(rf"\1{USER}", text)
        text = _MAC.sub(ADDRESS, text)
        text = _IPV6.sub(_address, text)
        text = _IPV4.sub(_address, text)
        return _NAME.sub(self._name, text)

    def _name(self, found: re.Match[str]) -> str:
        name = found[0].lower()
        last = name.rpartition(".")[2]
        is_domain = last.isalpha() or last.startswith("xn--")
        return found[0] if not is_domain or last in FILES or name in self._hosts else HOST


def _address(found: re.Match[str]) -> str:
    """Take out an address of a machine; what only looks like one, and loopback's, stay."""
    written = found[0].rstrip(".")
    try:
        address = ipaddress.ip_address(written)
    except ValueError:
        return found[0]
    return found[0] if str(address) in ("127.0.0.1", "::1", "::") else ADDRESS + found[0][len(written) :]
