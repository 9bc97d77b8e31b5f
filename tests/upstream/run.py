"""mitmproxy's own tests of its proxy layers, with and without our replacements: the same but for what is meant.

Run: make test-upstream MITMPROXY_TESTS=DIR, where DIR is a checkout of mitmproxy at the locked version.
"""

import json
import os
import subprocess
import sys
import tempfile
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

from upstream.plugin import INSTALL, RESULTS

HERE = Path(__file__).parent
FOLDER = "test/mitmproxy/proxy"
EXPECTED = HERE / "expected.toml"


def main(environment: dict[str, str]) -> int:
    """Compare; return 1 where anything but the expected differs, 2 where there is nothing to compare."""
    checkout = environment.get("MITMPROXY_TESTS", "")
    if not checkout or not (Path(checkout) / FOLDER / "tutils.py").is_file():
        tag = f"v{version('mitmproxy')}"
        print(
            f"MITMPROXY_TESTS={checkout or '(unset)'} is no checkout of mitmproxy with its tests. Get one: git clone"
            f" --depth 1 --branch {tag} https://github.com/mitmproxy/mitmproxy DIR, then: make test-upstream"
            " MITMPROXY_TESTS=DIR",
            file=sys.stderr,
        )
        return 2
    expected = {each["test"]: each["reason"] for each in tomllib.loads(EXPECTED.read_text())["difference"]}
    without, replaced = (results(Path(checkout).resolve(), installed=installed) for installed in (False, True))
    if not without["ran"] or without["ran"] != replaced["ran"]:
        print(f"mitmproxy's tests did not run: {without['ran']} without, {replaced['ran']} with", file=sys.stderr)
        return 2
    return report(without, replaced, expected)


def results(checkout: Path, *, installed: bool) -> dict[str, Any]:
    """Run the tests; return {"ran": number, "failed": {test: why}}."""
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder, "results.json")
        search = os.pathsep.join([str(checkout), str(HERE.parent), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
        environment = {**os.environ, "PYTHONPATH": search, RESULTS: str(written), "HYPOTHESIS_PROFILE": "fast"}
        environment.pop(INSTALL, None)
        if installed:
            environment[INSTALL] = "1"
        options = ["-q", "--tb=short", "-c", os.devnull, "--rootdir", str(checkout), "-p", "upstream.plugin"]
        options += ["-p", "no:cacheprovider", "-o", "asyncio_mode=auto", "--timeout=120", "--hypothesis-seed=0"]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options, FOLDER], cwd=checkout, env=environment, check=False,
            capture_output=True, text=True,
        )  # fmt: skip
        if not written.exists():
            raise SystemExit(f"pytest could not start:\n{done.stdout}{done.stderr}")
        found: dict[str, Any] = json.loads(written.read_text())
        return found


def report(without: dict[str, Any], replaced: dict[str, Any], expected: dict[str, str]) -> int:
    """Say what differs; return 1 where it is not the expected."""
    print(f"{replaced['ran']} tests: {len(without['failed'])} fail as it comes, {len(replaced['failed'])} replaced")
    unexpected = {test: why for test, why in replaced["failed"].items() if test not in without["failed"]}
    for test in sorted(expected):
        print(f"{'meant' if test in unexpected else 'GONE'}: {test}\n    {expected[test]}")
    for test, why in sorted(unexpected.items()):
        if test not in expected:
            print(f"DIFFERS: {test}\n    {why}")
    if unexpected.keys() == expected.keys():
        return 0
    print(f"what differs is not what {EXPECTED.name} says: mend the replacement, or add it there with its reason")
    return 1


if __name__ == "__main__":
    raise SystemExit(main(dict(os.environ)))
