"""What the inspector does not load, and that the rest is there all the same."""

import subprocess
import sys

HEAVY = ("flask", "werkzeug", "ldap3", "asgiref", "pyperclip", "urwid", "tornado")


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-O", "-c", code], capture_output=True, text=True, check=True).stdout


def test_mitmproxys_addons_are_imported_by_name_without_the_others() -> None:
    code = (
        "import sys\nfrom bewust_addons.patches import imports\nimports.skip()\n"
        "from bewust_addons import server as inspector, tls_gate as gate, recognition as traffic\n"
        "print(inspector.NextLayer.__name__, gate.TlsConfig.__name__)\n"
        f"print([name for name in {HEAVY} if name in sys.modules])\n"
    )
    assert run(code) == "NextLayer TlsConfig\n[]\n"


def test_what_is_loaded_already_stays() -> None:
    code = (
        "import mitmproxy.addons\nfrom bewust_addons.patches import imports\nimports.skip()\n"
        "import sys\nprint(hasattr(sys.modules['mitmproxy.addons'], 'default_addons'))\n"
    )
    assert run(code) == "True\n"
