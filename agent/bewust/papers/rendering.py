"""One template a paper and language -> Markdown, and that Markdown -> one HTML file that prints well.

Belongs here: putting values in so that they stay text, and the two forms. Not here: what is put in (facts),
what a paper says (templates). A value can neither break a table nor become markup: everything that a template
prints is escaped as Markdown, and HTML in Markdown is not let through.
"""

import re
from collections.abc import Mapping
from functools import partial
from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markdown_it import MarkdownIt

from bewust.config import languages as config_languages

PAPERS = ("dpia-annex", "works-council", "handbook", "algorithm-register")
_MEANING = re.compile(r"[\\`*_\[\]<>|~&]")  # what has a meaning anywhere in a line
_BEGIN = re.compile(r"^(?:[#+=:-]|\d+(?=[.)](?:\s|$)))")  # and what has one at its beginning
_BLANK = re.compile(r"<strong>(\[[^<]*\])</strong>")


class Markdown(str):
    """A value that is Markdown already."""

    __slots__ = ()


def escaped(value: object) -> str:
    """Return a value as Markdown that shows exactly it, on one line."""
    if isinstance(value, Markdown):
        return value
    text = _MEANING.sub(r"\\\g<0>", _line(value))
    return _BEGIN.sub(lambda begin: f"\\{begin[0]}" if not begin[0].isdigit() else f"{begin[0]}\\", text)


def code(value: object) -> Markdown:
    """Return a name or a key in the fixed-width type; one of ours, or of a closed form, has no backtick."""
    return Markdown(f"`{_line(value).replace('`', "'").replace('|', '¦')}`")


def blank(what: str, word: str) -> Markdown:
    """Return a marked blank that the organisation fills in; `word` says so in the paper's language."""
    return Markdown(f"**\\[{word}: {escaped(what)}\\]**")


def _line(value: object) -> str:
    """Return a value without what does not print: a direction mark could turn a sentence round."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(value)).split())


def _own(name: str) -> str:
    return files("bewust.papers").joinpath("templates", name).read_text(encoding="utf-8")


def markdown(paper: str, language: str, facts: Mapping[str, object]) -> str:
    """Return a paper as Markdown, with tables as GitHub has them."""
    environment = Environment(
        loader=FunctionLoader(partial(config_languages.paper, language)), undefined=StrictUndefined, finalize=escaped,
        autoescape=False,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    word = config_languages.words(language, "papers")["blank"]
    environment.filters["code"] = code
    environment.filters["or_blank"] = lambda value, what: value or blank(what, word)
    environment.globals["blank"] = partial(blank, word=word)
    text = environment.get_template(f"{paper}.md").render(facts)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def html(paper: str, language: str, text: str) -> str:
    """Return a paper's Markdown as one HTML file that fetches nothing and has no script."""
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    title = re.match(r"# (.*)", text)
    environment = Environment(loader=FunctionLoader(_own), undefined=StrictUndefined, autoescape=True)
    return environment.get_template("paper.html").render(
        language=language,
        paper=paper,
        title=_plain(title[1]) if title else paper,
        body=_BLANK.sub(r"<mark>\1</mark>", body),
    )


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)
