"""What launchd is told: of the form that its manual page asks for, under an account of its own, and nothing wider."""

import plistlib

from bewust.admin.macos import launchd
from bewust.cli.console import SOCKET

# launchd.plist(5): the keys that are used, and the kind of each.
KEYS = {
    "Label": str, "ProgramArguments": list, "UserName": str, "GroupName": str, "RunAtLoad": bool, "KeepAlive": bool,
    "ThrottleInterval": int, "ProcessType": str, "Umask": int, "SoftResourceLimits": dict, "HardResourceLimits": dict,
    "StandardErrorPath": str, "LimitLoadToSessionType": str, "AssociatedBundleIdentifiers": list,
}  # fmt: skip


def test_every_key_is_of_its_kind_and_the_file_is_named_after_its_label() -> None:
    for table, file in ((launchd.service(8787), launchd.SERVICE_FILE), (launchd.session(), launchd.SESSION_FILE)):
        for key, value in table.items():
            assert type(value) is KEYS[key], key
        assert file.endswith(f"/{table['Label']}.plist")
        assert plistlib.loads(plistlib.dumps(table)) == table
        assert table["ProgramArguments"][0] == launchd.PROGRAM
        assert table["AssociatedBundleIdentifiers"] == ["nl.bewust"]
        assert table["HardResourceLimits"]["Core"] == 0


def test_the_service_is_not_root_and_what_it_writes_is_its_own() -> None:
    table = launchd.service(9000)
    assert table["UserName"] == table["GroupName"] == "_bewust"
    assert table["Umask"] == 0o077
    assert table["ProgramArguments"][-4:] == ["--port", "9000", "--socket", launchd.SOCKET]
    assert launchd.SOCKET != SOCKET  # which is Linux's
    assert len(launchd.SOCKET) < 104  # sockaddr_un of macOS


def test_a_session_is_for_desktops_only_and_meets_the_service() -> None:
    table = launchd.session()
    assert table["LimitLoadToSessionType"] == "Aqua"
    assert "UserName" not in table
    assert launchd.SOCKET in table["ProgramArguments"] and launchd.SOCKET in launchd.service(1)["ProgramArguments"]
