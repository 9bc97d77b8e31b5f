"""What a library would import where it is, and nobody here needs."""

import subprocess
import sys

import pytest

from bewust.spared import spared


def test_what_is_spared_cannot_be_imported_within_and_can_afterwards() -> None:
    sys.modules.pop("this", None)
    with spared("this"), pytest.raises(ImportError):
        __import__("this")
    assert "this" not in sys.modules
    with spared("json", "sys"):
        __import__("json")


def test_the_agent_loads_nothing_of_the_fleet_even_where_it_is_installed() -> None:
    code = "import sys, bewust.app; print([n for n in ('pandas', 'numpy', 'pyarrow', 'mitmproxy') if n in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"
