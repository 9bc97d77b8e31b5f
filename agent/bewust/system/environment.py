"""The environment that a process of ours is started with: what is on a list, never all that happens to be there.

Belongs here: which variables, and why. Not here: starting anything. What is left out, each for its reason:
SSLKEYLOGFILE and MITMPROXY_SSLKEYLOGFILE have TLS secrets written to disk; the other MITMPROXY_ change what mitmproxy
does. OPENSSL_CONF, OPENSSL_MODULES and OPENSSL_ENGINES have OpenSSL load code and lower what it accepts.
SSL_CERT_FILE and SSL_CERT_DIR would put other roots in the place of the system's, by which browsers go.
PYTHON... has Python import, print or check other things than it was tried with. A proxy in http_proxy and its like is
the policy's to set. Names and passwords of whoever starts us are nobody else's business.
"""

import os
import re
import sys
from collections.abc import Mapping

# The loader has used its own for the agent itself by now: to withhold them from a child protects nobody, and a
# system's libraries may be found by them. FAKETIME is read by a library that only LD_PRELOAD brings.
_BASE = "PATH|HOME|USER|LOGNAME|LANG|LANGUAGE|LC_[A-Z]+|TZ|TMPDIR|LD_LIBRARY_PATH|LD_PRELOAD|FAKETIME\\w*"
# Without SystemRoot Windows gives no sockets. WINE... is of Wine, in which the package is tried.
_WINDOWS = (
    "SYSTEMROOT|WINDIR|SYSTEMDRIVE|COMSPEC|PATH|PATHEXT|OS|TZ|TEMP|TMP|USERNAME|USERDOMAIN|USERPROFILE|HOMEDRIVE|HOMEPATH|"
    "APPDATA|LOCALAPPDATA|PROGRAMDATA|ALLUSERSPROFILE|PUBLIC|PROGRAMFILES.*|PROGRAMW6432|COMMONPROGRAM.*|COMPUTERNAME|"
    "NUMBER_OF_PROCESSORS|PROCESSOR_\\w+|SESSIONNAME|LANG|WINE\\w+"
)
# What leads to the login's own screen, bus and look.
_DESKTOP = (
    "DISPLAY|XAUTHORITY|WAYLAND_DISPLAY|DBUS_SESSION_BUS_ADDRESS|DESKTOP_SESSION|MOZ_ENABLE_WAYLAND|PULSE_SERVER|"
    "(?:XDG|GDK|GTK|QT|KDE|GNOME|GSETTINGS|FONTCONFIG)_\\w+"
)


def allowed(
    *, desktop: bool = False, given: Mapping[str, str] | None = None, platform: str = sys.platform
) -> dict[str, str]:
    """Return what a child may have of an environment, by default this process's own; `desktop`: to show something."""
    wanted = _WINDOWS if platform == "win32" else _BASE
    pattern = re.compile(f"{wanted}|{_DESKTOP}" if desktop else wanted)
    written = str.upper if platform == "win32" else str  # there the case of a name is of no account
    return {name: value for name, value in (given or os.environ).items() if pattern.fullmatch(written(name))}
