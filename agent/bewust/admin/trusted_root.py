"""Which root a machine's browsers may be told to trust: limited to the decrypt list, or vouched for.

It comes from the service's account, which must not make us trust just anything.
"""

from pathlib import Path

from cryptography import x509

from bewust.authority import authority, external
from bewust.catalogue import Matcher

ORGANISATION = "organisation-root.pem"  # in the organisation's folder: its own root, where an authority was imported


def checked_root(raw: bytes, config: Path, matcher: Matcher) -> x509.Certificate:
    """Return the root in `raw`: limited to the decrypt list, or the one for which the administrator vouches.

    Raises AuthorityError.
    """
    vouched = config / ORGANISATION
    if not vouched.is_file():
        return authority.check_root(raw, matcher.decrypted_hosts())
    found = external.root_in(vouched)
    if authority.certificates(Path(authority.ROOT_FILE), raw, 1) != [found]:
        remedy = "import one that it signed (bewust authority import), or remove that file"
        raise authority.AuthorityError(vouched, "is not the root of this machine's authority", remedy)
    return found
