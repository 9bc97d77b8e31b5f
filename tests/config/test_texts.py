"""The texts, in every language: complete, equal in meaning, short, and in the right tone."""

import re

import msgspec
import pytest

from bewust.catalogue import loading
from bewust.config import languages as config_languages
from bewust.config import policy, texts
from bewust.config.texts import Text, Texts
from bewust.model import Context

LANGUAGES = {name: texts.load(name) for name in config_languages.known()}
KNOWN = {"dienst", "alternatief", *policy.load().fill}
EVERY = [pytest.param(text, id=f"{language}-{text.id}") for language, t in LANGUAGES.items() for text in t.text]
every = pytest.mark.parametrize("language", LANGUAGES.values(), ids=LANGUAGES)


@every
def test_there_are_the_26_of_the_guidance_and_our_own(language: Texts) -> None:
    assert [text.id for text in language.text] == [f"R{number:02}" for number in range(1, 36)]
    assert [text.id for text in language.text if text.internal] == ["R27", "R28"]
    assert [text.id for text in language.text if text.explains] == [f"R{number}" for number in range(30, 36)]
    assert set(language.words) == {"why", "open", "not_today"}
    assert "{url}" in language.words["why"]


def test_the_languages_differ_in_words_only() -> None:
    def rules(language: Texts) -> list[Text]:
        return [msgspec.structs.replace(text, text="") for text in language.text]

    first, *others = LANGUAGES.values()
    for other in others:
        assert rules(first) == rules(other)
        assert first.titles.keys() == other.titles.keys()
        assert first.names.keys() == other.names.keys()
        for one, same in zip(first.text, other.text, strict=True):
            assert sorted(re.findall(r"{\w+}", one.text)) == sorted(re.findall(r"{\w+}", same.text))


@pytest.mark.parametrize("text", EVERY)
def test_a_text_is_short_and_its_placeholders_are_known(text: Text) -> None:
    assert 0 < len(text.text) <= (130 if text.internal else 120)
    assert text.text == text.text.strip()
    assert text.source
    assert set(re.findall(r"{(.*?)}", text.text)) <= KNOWN


@pytest.mark.parametrize("text", EVERY)
def test_no_text_accuses_or_speaks_of_watching(text: Text) -> None:
    lower = text.text.lower()
    for word in ("u heeft", "u hebt", "you have", "sie haben", "overtreding", "violation", "verstoß"):
        assert word not in lower
    if not text.contexts or {Context.SEARCH, Context.TRANSLATION} & set(text.contexts):
        for word in ("niet toegestaan", "verboden", "not allowed", "forbidden", "nicht erlaubt"):
            assert word not in lower


@every
def test_titles_and_names_are_of_contexts_and_services_that_exist(language: Texts) -> None:
    assert set(language.titles) <= {"other", "internal", *Context}
    assert "other" in language.titles
    assert set(language.names) <= {service.id for service in loading.load()}
    for title in language.titles.values():
        assert re.findall(r"{(.*?)}", title) == ["dienst"]


@every
def test_every_title_fits_with_every_service(language: Texts) -> None:
    for service in loading.load():
        for title in (language.titles.get(service.context, language.titles["other"]), language.titles["internal"]):
            assert len(title.replace("{dienst}", language.names.get(service.id, service.name))) <= 63
