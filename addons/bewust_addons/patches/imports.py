"""What of mitmproxy this process does not load: what it brings for people who look at flows.

`skip` must come before the first import of mitmproxy. mitmproxy.addons imports all of its addons, with
a web framework, LDAP and more; we need two, by name. tests/addons/test_server.py pins what it spares.
"""

import importlib.util
import sys
from types import ModuleType


def skip() -> None:
    """Give mitmproxy.addons a stand-in that imports nothing; its modules stay importable by name."""
    found = importlib.util.find_spec("mitmproxy")
    if "mitmproxy.addons" in sys.modules or found is None or found.submodule_search_locations is None:
        return
    package = ModuleType("mitmproxy.addons")
    package.__path__ = [f"{folder}/addons" for folder in found.submodule_search_locations]
    sys.modules[package.__name__] = package
