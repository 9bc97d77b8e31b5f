"""The tree keeps its promises: every source has its test, which needs nothing beside the repository."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MIRRORED = {
    "agent/bewust": "tests/agent",
    "addons/bewust_addons": "tests/addons",
    "config/bewust_config": "tests/config",
    "installer": "tests/installer",
}
SOURCES = sorted(
    path for folder in MIRRORED for path in (ROOT / folder).rglob("*.py") if path.name != "__init__.py"
)  # fmt: skip
# What only calls Windows is tried under Wine, by tests/packages/windows.py.
ON_WINDOWS = {f"windows_{name}.py" for name in ("calls", "machine", "roots", "services")}
PROTOCOLS = {"guests.py"}  # what a type checker tests
TESTS = sorted((ROOT / "tests").rglob("*.py"))


@pytest.mark.parametrize(
    "source",
    [path for path in SOURCES if path.name not in ON_WINDOWS | PROTOCOLS],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_every_source_has_its_test(source: Path) -> None:
    sources, tests = next(pair for pair in MIRRORED.items() if source.is_relative_to(ROOT / pair[0]))
    below = source.relative_to(ROOT / sources).parent
    assert any((ROOT / tests / folder / f"test_{source.name}").exists() for folder in (below, "."))


# From the file itself, or from the HERE that is its folder, upwards.
UPWARDS = re.compile(r"(?<![\w.])(Path\(__file__\)(?:\.resolve\(\))?|HERE)((?:\.parents\[\d+\]|\.parent\b)+)")


@pytest.mark.parametrize("test", TESTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_test_needs_what_lies_beside_the_repository(test: Path) -> None:
    for begins, steps in UPWARDS.findall(test.read_text(encoding="utf-8")):
        reached = test if begins.startswith("Path") else test.parent
        for step in re.findall(r"parents\[(\d+)\]|parent\b", steps):
            reached = reached.parents[int(step or 0)]
        assert reached.is_relative_to(ROOT), f"{begins}{steps}"


# The rest is given the time, so that a test can give it any: `make test-dates` runs them all on other days.
CLOCKS = {
    "agent/bewust/answers.py", "agent/bewust/app.py", "agent/bewust/authority.py", "agent/bewust/authority_commands.py",
    "agent/bewust/bundle_commands.py", "agent/bewust/catalogue_commands.py", "agent/bewust/settings.py",
    "agent/bewust/state.py", "agent/bewust/steady.py", "addons/bewust_addons/connections.py",
    "addons/bewust_addons/gate.py",
}  # fmt: skip
WALL_CLOCK = re.compile(r"\b(?:datetime\.now|datetime\.utcnow|date\.today|time\.time|time\.time_ns|time\.localtime)\(")


def test_the_wall_clock_is_read_in_few_places() -> None:
    reading = {
        str(path.relative_to(ROOT)) for path in SOURCES
        if WALL_CLOCK.search(path.read_text(encoding="utf-8")) and not path.is_relative_to(ROOT / "installer")
    }  # fmt: skip
    assert reading == CLOCKS
