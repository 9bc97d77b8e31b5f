"""A client that is no browser, as a test asks for a page with it."""

import subprocess
from pathlib import Path


def curl(port: int, url: str, roots: Path, *options: str, seconds: float = 5) -> str:
    """The status of an answer through the proxy at `port` to a program that knows only `roots`; "000" for none."""
    done = subprocess.run(
        ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-m", str(seconds), "--cacert", str(roots),
         "-x", f"http://127.0.0.1:{port}", *options, url],
        capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout
