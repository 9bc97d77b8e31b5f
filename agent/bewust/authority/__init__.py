"""The certificate authority of this machine: made here and limited to the inspected hosts, or signed elsewhere.

Not here: public keys of reports and catalogues (keys), trusting it (admin), using it (the inspector).
"""

from typing import TYPE_CHECKING

from bewust.lazy_exports import lazy_exports

__all__ = ["Authority", "AuthorityError", "check_root", "issue", "load_usable"]

if TYPE_CHECKING:
    from bewust.authority.authority import Authority, AuthorityError, check_root, issue, load_usable
else:
    __getattr__ = lazy_exports(
        __name__,
        Authority="authority",
        AuthorityError="authority",
        check_root="authority",
        issue="authority",
        load_usable="authority",
    )
