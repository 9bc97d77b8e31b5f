"""How the two runs of mitmproxy's tests are compared, and what is said where there are none."""

from pathlib import Path

import pytest

from upstream.run import main, report


@pytest.mark.parametrize("folder", [None, "", "nowhere"])
def test_a_missing_checkout_is_one_line_with_the_remedy(
    folder: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main({} if folder is None else {"MITMPROXY_TESTS": folder and str(tmp_path / folder)}) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "git clone" in said
    assert "MITMPROXY_TESTS=DIR" in said


@pytest.mark.parametrize(
    ("without", "replaced", "expected", "code"),
    [
        ({}, {"a": "why"}, {"a": "meant"}, 0),
        ({"b": "x"}, {"a": "why", "b": "x"}, {"a": "meant"}, 0),
        ({}, {"a": "why", "c": "new"}, {"a": "meant"}, 1),
        ({}, {}, {"a": "meant"}, 1),
        ({"a": "x"}, {"a": "x"}, {"a": "meant"}, 1),
    ],
)
def test_only_what_is_expected_may_differ(
    without: dict[str, str], replaced: dict[str, str], expected: dict[str, str], code: int
) -> None:
    first, second = ({"ran": 2, "failed": failed} for failed in (without, replaced))
    assert report(first, second, expected) == code
