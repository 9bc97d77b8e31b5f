"""What a host is: its name, the address that CONNECT names, and whether it is of this machine or organisation.

One place for it, because every look-up and every comparison of hosts has to agree.
"""

import ipaddress
import re
from collections.abc import Sequence

# Where Google's and Microsoft's mail, documents and calendars are.
APART = (
    "mail.google.com", "docs.google.com", "drive.google.com", "calendar.google.com", "outlook.office.com",
    "outlook.office365.com", "outlook.cloud.microsoft", "substrate.office.com", "word-edit.officeapps.live.com",
    "organisation.sharepoint.com",
)  # fmt: skip

_NAME = re.compile(r"(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_DIGITS = re.compile(r"[0-9]{1,5}")
_PORT = re.compile(r":[0-9]*$")


def normalise_host(host: str) -> str:
    """Return the ASCII, lower-case name without port, brackets or trailing dot; "" if it is none.

    One place for it, because every look-up and every comparison of hosts has to agree.
    """
    name = _PORT.sub("", host.strip()).lower()
    if not name.isascii():
        try:
            name = name.encode("idna").decode("ascii").lower()
        except UnicodeError:
            return ""
    name = name.removesuffix(".")
    return name if _NAME.fullmatch(name) else ""


def parse_address(target: str) -> tuple[str, int] | None:
    """Return the normalised host and the port that CONNECT names; None where it names none."""
    name, _, port = target.rpartition(":")
    host = normalise_host(name)
    if not host:
        try:
            host = str(ipaddress.ip_address(name.removeprefix("[").removesuffix("]")))
        except ValueError:
            return None
    return (host, int(port)) if _DIGITS.fullmatch(port) and 0 < int(port) < 65536 else None


def is_here(address: str) -> bool:
    """Whether an IP address is of this machine or its link alone. ValueError where it is no address."""
    found = ipaddress.ip_address(address.partition("%")[0])
    found = getattr(found, "ipv4_mapped", None) or found
    return found.is_loopback or found.is_link_local or found.is_unspecified


def is_internal(host: str, internal_hosts: Sequence[str] = ()) -> bool:
    """Whether a host is the organisation's own: listed, a private address, or of a single label."""
    if not host:
        return False
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        name = normalise_host(host)
    else:
        return address.is_private and not address.is_unspecified
    if not name:
        return False
    own = filter(None, (normalise_host(h.removeprefix("*.")) for h in internal_hosts))
    return "." not in name or any(f".{name}".endswith(f".{h}") for h in own)
