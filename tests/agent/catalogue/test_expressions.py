"""An expression fits what it says, and never takes longer than the text is long."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bewust.catalogue.expressions import ExpressionError, check, glob, whole

PIECES = st.text("ab*?.[/\\é\n", max_size=12)


@given(PIECES, st.text("ab.[/\\é\n", max_size=16))
def test_a_glob_fits_what_it_says(pattern: str, text: str) -> None:
    plain = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    assert bool(whole(glob(pattern))(text)) is bool(re.fullmatch(plain, text, re.DOTALL))


def test_a_glob_may_ignore_case() -> None:
    assert whole(glob("Text/*"), ignore_case=True)("TEXT/html")


@given(
    st.from_regex(r"(?:/|a|ab|\(a\|b\)|\[ab\]|a\?|b\+|\(a\|/\)\*|\.){0,6}", fullmatch=True),
    st.text("ab/\n", max_size=9),
)
def test_an_expression_fits_what_it_says(expression: str, text: str) -> None:
    assert bool(whole(expression)(text)) is bool(re.fullmatch(expression, text, re.DOTALL))


@pytest.mark.parametrize(
    "expression", ["(a+)+b", "(a|a)*b", "(a*)*b", "(.*)(.*)(.*)(.*)[b]", "([a-z]+)*b", "(a?){40}a{40}"]
)
def test_no_expression_takes_long(expression: str) -> None:
    assert not whole(expression)("a" * 20_000 + "c")  # by backtracking: longer than anybody waits


@pytest.mark.parametrize("stars", [3, 30])
def test_no_glob_takes_long(stars: int) -> None:
    assert not whole(glob("*a" * stars + "*b"))("a" * 20_000)


@pytest.mark.parametrize(
    "expression", [r"(a)\1", "(?=a)a", "(?<!a)b", "[", "(", "a{5000}", "((a{100}){100}){100}", "\ud800("]
)
def test_what_cannot_be_matched_in_linear_time_is_refused(expression: str) -> None:
    with pytest.raises(ExpressionError, match=r"\S"):
        whole(expression)


@given(st.lists(st.sampled_from(list("ab/.*+?|()[]^$\\d1:=!<{},-PZsx") + ["(?:", "(?=", "\\.", "{2,3}"]), max_size=10))
def test_what_the_quick_check_takes_can_be_matched(pieces: list[str]) -> None:
    try:
        check("".join(pieces))
    except ExpressionError:
        return
    whole("".join(pieces))


@given(st.text(max_size=20))
def test_any_text_is_taken(text: str) -> None:
    odd = text + "\udcff"
    assert whole("/(a|b)")(odd) is None
    assert whole(".*(a|b)?")(odd) is not None
