"""Which services there are and how each is recognised: entries, loading, matching, lint, imported editions.

Matching is pure. Not here: what an organisation thinks of a service (config), or bodies (detection).
"""

from typing import TYPE_CHECKING

from bewust.lazy_exports import lazy_exports

__all__ = ["BundleError", "CatalogueError", "Edition", "HostRules", "Matcher", "Rule", "compile_services"]

if TYPE_CHECKING:
    from bewust.catalogue.editions import Edition
    from bewust.catalogue.entries import CatalogueError
    from bewust.catalogue.matching import HostRules, Matcher, Rule, compile_services
    from bewust.catalogue.signed_file import BundleError
else:
    __getattr__ = lazy_exports(
        __name__,
        BundleError="signed_file",
        CatalogueError="entries",
        Edition="editions",
        HostRules="matching",
        Matcher="matching",
        Rule="matching",
        compile_services="matching",
    )
