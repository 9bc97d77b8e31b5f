"""What launchd is told on a Mac: the service for the machine, a session for each login; as values.

Belongs here: the two property lists and the places in them. Not here: loading them (machine). Sources: the
manual page launchd.plist(5); Apple's Service Management documentation for AssociatedBundleIdentifiers.
"""

from bewust.admin.macos.profile import BUNDLE, SERVICE, SESSION
from bewust.browsers.policies import Table

APP = "/Applications/Bewust.app"
PROGRAM = f"{APP}/Contents/MacOS/bewust"
FOLDER = "/Library/Application Support/Bewust"  # the organisation's, and below it the service's own
STATE = f"{FOLDER}/state"
SOCKET = f"{FOLDER}/run/session.sock"
LOG = "/Library/Logs/Bewust/service.log"
ACCOUNT = "_bewust"
SERVICE_FILE = f"/Library/LaunchDaemons/{SERVICE}.plist"
SESSION_FILE = f"/Library/LaunchAgents/{SESSION}.plist"


def service(port: int) -> Table:
    """Return the daemon: under an account of its own, started with the machine and whenever it ends."""
    return {
        "Label": SERVICE,
        "ProgramArguments": [
            *(PROGRAM, "--state", STATE, "--config", FOLDER),
            *("service", "--port", str(port), "--socket", SOCKET),
        ],
        "UserName": ACCOUNT,
        "GroupName": ACCOUNT,
        "RunAtLoad": True,
        "KeepAlive": True,
        "ThrottleInterval": 10,
        "ProcessType": "Interactive",  # a page waits for it: no savings on processor or disk
        "Umask": 0o077,
        "SoftResourceLimits": {"NumberOfFiles": 8192, "Core": 0},  # two a connection; launchd's own limit is 256
        "HardResourceLimits": {"NumberOfFiles": 8192, "Core": 0},
        "StandardErrorPath": LOG,
        "AssociatedBundleIdentifiers": [BUNDLE],
    }


def session() -> Table:
    """Return the agent: one for each login with a desktop."""
    return {
        "Label": SESSION,
        "ProgramArguments": [PROGRAM, "session", "--socket", SOCKET],
        "LimitLoadToSessionType": "Aqua",
        "RunAtLoad": True,
        "KeepAlive": True,
        "ThrottleInterval": 30,
        "ProcessType": "Background",
        "HardResourceLimits": {"Core": 0},
        "AssociatedBundleIdentifiers": [BUNDLE],
    }
