"""A value stays text in both forms, and a paper is one file that fetches nothing."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bewust.config import languages as config_languages
from bewust.config import texts
from bewust.config.rules import load_rules
from bewust.papers import facts
from bewust.papers.rendering import PAPERS, blank, code, escaped, html, markdown

RULES = load_rules(None)
FACTS = {language: facts.facts(RULES, texts.load(language), language) for language in config_languages.known()}
NASTY = ["a | b", "`x`", "<script>alert(1)</script>", "**b** _i_ [l](javascript:x)", "# h", "- i", "1. one", "12) x",
         "&lt;", "a\n\n| b |", "\\", "\\|", "    code", "~~~", "---", "===", "+", "<https://x.y>", "![i](x)",
         "\u202eab", "{{ 7 * 7 }}", "0.5"]  # fmt: skip


class Shown(HTMLParser):
    """The words of each element, and which elements there are."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.cells: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)
        if tag in ("td", "th", "li", "p", "h1"):
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        if self.cells:
            self.cells[-1] += data


def plain(value: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in value).split())


def check(value: str) -> None:
    shown = escaped(value)
    page = html(
        "x", "nl", f"# T\n\n| a | b |\n|---|---|\n| {shown} | x{shown} |\n\n- x\n- {shown}\n\nEnd {shown} end.\n"
    )
    found = Shown(page[page.index("<main") :])
    expected = [
        "T",
        "a",
        "b",
        plain(value),
        f"x{plain(value)}".rstrip(),
        "x",
        plain(value),
        plain(f"End {plain(value)} end."),
    ]
    assert [plain(cell) for cell in found.cells] == expected
    assert set(found.tags) == {"main", "h1", "table", "thead", "tbody", "tr", "th", "td", "ul", "li", "p"}


@pytest.mark.parametrize("value", NASTY)
def test_what_an_organisation_writes_is_shown_and_does_nothing(value: str) -> None:
    check(value)


@given(st.text(alphabet=st.one_of(st.sampled_from("|`<>*_[]()!#+-=~&\\.:1 \n\t"), st.characters()), max_size=30))
def test_any_text_is_shown_as_it_is(value: str) -> None:
    check(value)


def test_a_name_in_code_cannot_leave_it() -> None:
    page = html("x", "nl", f"# T\n\n| a |\n|---|\n| {code('`a` | b')} |\n")
    assert "<td><code>'a' ¦ b</code></td>" in page


def test_a_blank_is_marked_in_both_forms() -> None:
    made = blank("naam | adres", "in te vullen")
    assert made == r"**\[in te vullen: naam \| adres\]**"
    assert "<mark>[in te vullen: naam | adres]</mark>" in html("x", "nl", f"# T\n\n{made}\n")
    assert "<mark>" not in html("x", "nl", f"# T\n\n{escaped('[x]')}\n")


@pytest.mark.parametrize("language", config_languages.known())
@pytest.mark.parametrize("paper", PAPERS)
def test_a_paper_is_one_file_that_fetches_nothing(paper: str, language: str) -> None:
    page = html(paper, language, markdown(paper, language, FACTS[language]))
    assert f'<html lang="{language}">' in page
    assert "default-src 'none'" in page
    assert not re.search(r"<(script|link|img|iframe|a|object)\b|@import|url\(|{{|{%", page)
    assert "Bewust" in page.split("<title>")[1].split("</title>")[0]
    assert "<mark>" in page
    for row in re.findall(r"<tr>.*?</tr>", page, re.DOTALL):
        assert "|" not in re.sub(r"<[^>]*>", "", row), row  # a row of other columns than its head


@pytest.mark.parametrize("paper", PAPERS)
def test_every_language_has_the_same_parts_and_blanks(paper: str) -> None:
    found = {language: markdown(paper, language, FACTS[language]) for language in config_languages.known()}
    for pattern in (r"(?m)^#+ ", r"(?m)^\|", r"(?m)^- ", r"\*\*\\\["):
        assert len({len(re.findall(pattern, text)) for text in found.values()}) == 1, pattern
    for language, text in found.items():
        blank_word = config_languages.words(language, "papers")["blank"]
        assert text.count(rf"**\[{blank_word}: ") == text.count(r"**\[") > 0


@pytest.mark.parametrize("paper", [*PAPERS, "footer"])
def test_every_language_puts_in_the_same_facts(paper: str) -> None:
    """What a template asks for under some setting only is asked for in every language."""
    names = {
        language: variables(config_languages.paper(language, f"{paper}.md")) for language in config_languages.known()
    }
    assert len({frozenset(found) for found in names.values()}) == 1, names


def variables(template: str) -> set[str]:
    inside = " ".join(re.findall(r"\{[{%](.*?)[%}]\}", template))
    return set(re.findall(r"\b[a-z_]+(?:\.[a-z_]+)*\b", re.sub(r"\"[^\"]*\"", "", inside)))


# Most characters that the Publicatiestandaard 1.0.0 of the Algoritmeregister takes, and what it refuses to be without.
MOST = {"naam": 100, "korte_omschrijving": 350, "organisatie": 100, "doel_en_impact": 2500, "afwegingen": 2500,
        "menselijke_tussenkomst": 2500, "risicobeheer": 2500, "gegevens": 2500, "technische_werking": 5000,
        "leverancier": 200, "zoektermen": 2500}  # fmt: skip
NEEDED = {
    "naam",
    "korte_omschrijving",
    "organisatie",
    "status",
    "contactgegevens",
    "publicatiecategorie",
    "taal",
    "schema",
}


def test_the_entry_of_the_register_has_every_field_and_fits() -> None:
    text = markdown("algorithm-register", "nl", FACTS["nl"])
    fields = dict(re.findall(r"(?m)^\| [^|]* \(`(\w+)`\) \| (.*) \|$", text))
    assert len(fields) == 32
    assert set(fields) >= NEEDED | set(MOST)
    for field, most in MOST.items():
        assert len(fields[field]) < most, field
    assert (fields["taal"], fields["schema"]) == ("nld", "1.0.0")
