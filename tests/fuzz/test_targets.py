"""The fuzz targets still fit the code, without the fuzzer: each takes its own seeds, and some changed ones."""

import os
import subprocess
import sys
from pathlib import Path

from fuzz.run import NAMES, PROXY, read

TESTS = Path(__file__).parents[1]
TRY = """
import random
from fuzz import files, streams
from fuzz.proxy import mutated
chance = random.Random(1)
for name, made in {**files.TARGETS, **streams.TARGETS}.items():
    target = made()
    for seed in list(target.seeds()):
        target.test(seed)
        for _ in range(2):
            target.test(mutated(chance, seed)[:8192])
    print(name)
"""


def test_every_target_takes_its_seeds() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(TESTS), str(TESTS.parent)))}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", TRY], capture_output=True, text=True, env=environment, timeout=110
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert {*done.stdout.split(), PROXY} == set(NAMES)


def test_what_the_fuzzer_says_is_read() -> None:
    said = "#8\tpulse  cov: 40 ft: 46 corp: 4/6168b exec/s: 4 rss: 178Mb\n"
    assert read("x", said + "Done 12 runs in 5 second(s)\nstat::number_of_executed_units: 12\n") == (
        "x", 12, 40, 4, 178, "",
    )  # fmt: skip
    assert read("x", said + " === Uncaught Python exception: ===\nKeyError: 'a'\n").finding == "KeyError: 'a'"
    assert read("x", said).finding == "it did not end by itself"
