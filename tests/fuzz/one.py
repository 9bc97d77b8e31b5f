"""One target under atheris, in a process of its own: python -m fuzz.one NAME CORPUS [libFuzzer's options]."""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["bewust", "bewust_addons"]):
    from fuzz import files, streams

TARGETS = {**files.TARGETS, **streams.TARGETS}


def main() -> None:
    name, corpus, *options = sys.argv[1:]
    target = TARGETS[name]()
    for number, seed in enumerate(target.seeds()):
        (Path(corpus) / f"seed-{number}").write_bytes(seed)
    atheris.Setup([sys.argv[0], corpus, *options], target.test)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
