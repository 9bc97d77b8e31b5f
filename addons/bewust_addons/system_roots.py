"""The roots that vouch for sites: the operating system's own, corporate ones included.

Belongs here: finding them as the file that mitmproxy wants. Not here: our own authority. Windows keeps no file and
fetches most public roots only when a program of its own meets them: so its store is laid over mitmproxy's bundle.
"""

import ssl
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import certifi

from bewust.files import replace
from bewust.state_files import ROOTS

FILES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
SERVER = "1.3.6.1.5.5.7.3.1"  # the purpose of vouching for servers (RFC 5280, section 4.2.1.12)

# A store's certificates: DER, how it is encoded, for which purposes (True: for all).
type Listed = Callable[[str], Iterable[tuple[bytes, str, set[str] | bool]]]


def of_system(state: Path) -> str | None:
    """Return the file with the system's roots; None: mitmproxy's. On Windows it is written into `state`."""
    if sys.platform == "win32":
        return of_windows(state, ssl.enum_certificates)
    return next((file for file in FILES if Path(file).is_file()), None)


def of_windows(state: Path, listed: Listed) -> str | None:
    """Write mitmproxy's bundle and the machine's own roots to a file, without what the machine forbids."""
    forbidden = {der for der, _, _ in listed("Disallowed")}
    ours = [
        der
        for der, encoding, purposes in listed("ROOT")
        if encoding == "x509_asn" and (purposes is True or (purposes and SERVER in purposes))
    ]
    known = [ssl.PEM_cert_to_DER_cert(pem) for pem in _split(Path(certifi.where()).read_text("ascii"))]
    wanted = [der for der in dict.fromkeys([*known, *ours]) if der not in forbidden]
    try:
        replace(state / ROOTS, "".join(map(ssl.DER_cert_to_PEM_cert, wanted)).encode())
    except OSError:  # then sites of the organisation's own roots are spliced
        return None
    return str(state / ROOTS)


def _split(bundle: str) -> list[str]:
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    return [f"{begin}{part.partition(end)[0]}{end}\n" for part in bundle.split(begin)[1:]]
