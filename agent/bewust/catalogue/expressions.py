"""Expressions of the catalogue, matched in time linear in the text whatever the expression is.

A catalogue may come from somebody else, and its expressions meet whatever a web page asks for: one that backtracks
could stop the inspector for everybody. Globs (the larger part) become expressions of Python's `re` that never go back
behind a piece that fitted; what an author wrote as path_regex goes to RE2, which has no backtracking at all.
"""

import re
import warnings
from collections.abc import Callable

from bewust.errors import BewustError

type Match = Callable[[str], object]  # true where the whole text fits

RE2_BYTES = 1 << 20  # of one compiled expression: a repetition of thousands needs more, and is refused
_GLOB = re.compile(r"(?:\\[^A-Za-z0-9]|[^\\.*+?()\[\]{}|^$]|\.\*?)*")  # what `glob` makes
# Looks ahead and behind, references back, conditions, and what only Python or RE2 understands.
_BACKTRACKING = re.compile(r"(?:[^\\]|^)(?:\\\\)*(?P<what>\\[^\W_bBdDfnrsStvwWAx\d]|\\[\dZ]|\(\?(?!:)|[*+?}]\+)")
_PIECE = re.compile(r"\.\*((?:\\.|[^\\.]|\.(?!\*))*)", re.DOTALL)


class ExpressionError(BewustError, ValueError):
    """An expression that cannot be compiled, or only by an engine that backtracks."""


def glob(pattern: str) -> str:
    """Translate a glob (`*` any text, `?` one character) to a regular expression."""
    return "".join({"*": ".*", "?": "."}.get(c) or re.escape(c) for c in pattern)


def check(expression: str) -> None:
    """Raise ExpressionError where an author's expression is none, or needs an engine that backtracks.

    It is quick, and finds all that RE2 refuses but expressions that become too large: those `whole` finds.
    """
    try:
        with warnings.catch_warnings(action="error"):  # of what will mean something else one day
            re.compile(expression)
        expression.encode()
    except (FutureWarning, re.error, OverflowError, RecursionError, UnicodeEncodeError) as error:
        raise ExpressionError(str(error)) from error
    if found := _BACKTRACKING.search(expression):
        raise ExpressionError(f"{found['what']!r} would need an engine that goes back in the text")


def whole(expression: str, *, ignore_case: bool = False) -> Match:
    """Return the test whether an expression fits the whole of a text. Raises ExpressionError.

    `ignore_case` is for translated globs alone.
    """
    if _GLOB.fullmatch(expression):
        return re.compile(_atomic(expression), re.DOTALL | (re.IGNORECASE if ignore_case else 0)).fullmatch
    import re2  # noqa: PLC0415 - 5 MB, and most hosts have no such rule

    options = re2.Options()
    options.dot_nl, options.log_errors, options.max_mem = True, False, RE2_BYTES
    options.encoding = re2.Options.Encoding.LATIN1  # of bytes: a path may hold what is no UTF-8
    try:
        compiled = re2.compile(expression.encode(), options)
    except (re2.error, UnicodeEncodeError) as error:
        why = error.args[0] if error.args else error
        text = why.decode("utf-8", "replace") if isinstance(why, bytes) else str(why)
        raise ExpressionError(text) from error
    return lambda text: compiled.fullmatch(text.encode("utf-8", "surrogateescape"))


def _atomic(translated: str) -> str:
    """Have each `*` take the least up to where its piece first fits, once and for all; the last one takes the rest.

    That is enough for a glob: a piece that fits further left leaves more for those behind it.
    """
    head, *_ = _PIECE.split(translated, maxsplit=1)
    pieces = _PIECE.findall(translated)
    if not pieces:
        return translated
    last: str = pieces.pop()
    return head + "".join(f"(?>.*?{piece})" for piece in pieces if piece) + ".*" + last
