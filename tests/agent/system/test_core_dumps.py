"""A process that forbids dumps leaves none, also where the system hands them to a program.

That the kernel then starts no collector was tried by hand: core_pattern is the whole machine's, and no test's to set.
"""

import subprocess
import sys

import pytest

TOLD = """
import ctypes, resource
from bewust.system import core_dumps
core_dumps.forbid()
print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_the_process_is_not_dumpable() -> None:
    said = subprocess.run([sys.executable, "-c", TOLD], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["(0,", "0)", "0"]


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
@pytest.mark.parametrize("module", ["bewust.daemon.serve", "bewust_addons.main"])
def test_front_and_inspector_forbid_dumps_before_they_see_anything(module: str) -> None:
    """Each is begun as it is in the product, with what it would go on to do replaced by a question to the kernel."""
    begin = {
        "bewust.daemon.serve": (
            "import asyncio; from bewust.daemon import serve as serving; asyncio.run(serving.serve(A()))"
        ),
        "bewust_addons.main": "from bewust_addons import main as run; run.run = A().run; run.main()",
    }[module]
    asked = f"""
import ctypes, resource
class A:
    async def run(self, *started):
        print(resource.getrlimit(resource.RLIMIT_CORE)[0], ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
most = resource.getrlimit(resource.RLIMIT_CORE)[1]
resource.setrlimit(resource.RLIMIT_CORE, (most, most))
{begin}
"""
    said = subprocess.run([sys.executable, "-W", "ignore", "-c", asked], capture_output=True, text=True)
    assert said.stdout.split() == ["0", "0"], said.stderr[-2000:]
