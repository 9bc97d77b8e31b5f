"""A child gets what is on a list: nothing that writes secrets to disk, loads code, or changes whom it trusts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bewust.system import environment

HARMFUL = (
    "SSLKEYLOGFILE", "MITMPROXY_SSLKEYLOGFILE", "MITMPROXY_DEBUG_EXIT", "OPENSSL_CONF", "OPENSSL_MODULES",
    "OPENSSL_ENGINES", "SSL_CERT_FILE", "SSL_CERT_DIR", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONASYNCIODEBUG",
    "https_proxy", "ALL_PROXY", "AWS_SECRET_ACCESS_KEY", "XSSLKEYLOGFILE", "LC_ALL_SSLKEYLOGFILE2", "CREDENTIALS",
)  # fmt: skip


@pytest.mark.parametrize("desktop", [False, True])
@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_what_is_harmful_or_somebody_s_secret_is_left_out_in_whatever_case(platform: str, desktop: bool) -> None:
    names = [spelled for name in HARMFUL for spelled in (name, name.lower(), name.title())]
    given = dict.fromkeys(names, "x") | {"PATH": "p"}
    assert environment.allowed(desktop=desktop, given=given, platform=platform) == {"PATH": "p"}


def test_what_a_child_needs_is_kept() -> None:
    unix = {"PATH": "a", "HOME": "b", "LANG": "c", "LC_ALL": "d", "TZ": "e"}
    screen = {"DISPLAY": ":0", "XDG_RUNTIME_DIR": "/run/user/1", "DBUS_SESSION_BUS_ADDRESS": "unix:path=x"}
    assert environment.allowed(given=unix | screen, platform="linux") == unix
    assert environment.allowed(given=unix | screen, platform="linux", desktop=True) == unix | screen
    windows = {"SystemRoot": "a", "Path": "b", "ProgramFiles(x86)": "c", "PROCESSOR_ARCHITECTURE": "d", "temp": "e"}
    assert environment.allowed(given=windows, platform="win32") == windows


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=5), max_size=20))
def test_nothing_is_added_or_changed(given: dict[str, str]) -> None:
    given["HOME"] = "x"
    assert environment.allowed(given=given, platform="linux", desktop=True).items() <= given.items()
