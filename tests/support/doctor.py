"""A machine to look at: settings and an authority that are real, the rest as a test wants it."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from bewust import __version__
from bewust.authority import authority
from bewust.config.rules import load_rules, local_now
from bewust.doctor.finding import DoctorContext, Finding, Verdict
from bewust.proxy import pac

RULES = load_rules(None)
HOSTS = RULES.matcher.decrypted_hosts()
STATUS: dict[str, Any] = {
    "version": __version__, "port": 8787, "inspector": "running", "problems": [], "failures": {}, "silent": {},
    "sessions": 0, "inspector_starts": 1, "uncovered": [], "authority_fingerprint": "ab", "toasts_failed": 0,
}  # fmt: skip


def here(tmp_path: Path, **changes: Any) -> DoctorContext:
    """A machine whose root folder is `tmp_path`, with an authority in its state folder, and an agent that answers."""
    folder = tmp_path / "state" / "authority"
    if not folder.exists():
        authority.issue(folder, HOSTS, local_now(RULES))
    found = DoctorContext(
        root=tmp_path, state=tmp_path / "state", root_pem=folder / "root.pem", port=8787, managed=False,
        rules=RULES, now=local_now(RULES), status=STATUS,
    )  # fmt: skip
    return msgspec.structs.replace(found, **changes)


def verdicts(findings: Iterator[Finding]) -> dict[str, Verdict]:
    """What was found, by id; every finding but a good one has a remedy, and each is a sentence."""
    found = list(findings)
    for finding in found:
        assert finding.what.endswith("."), finding
        assert bool(finding.remedy) is (finding.verdict is not Verdict.OK), finding
    return {finding.id: finding.verdict for finding in found}


@contextmanager
def serving(body: bytes, kind: str = pac.PAC_TYPE, status: int = 200) -> Iterator[int]:
    """A server on loopback that answers everybody so; its port."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("content-type", kind)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
