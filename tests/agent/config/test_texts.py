"""A text is shown only where it is true, whole and short enough; an organisation can change any of them."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bewust.catalogue import loading
from bewust.config import languages as config_languages
from bewust.config import texts
from bewust.config.policy import Decision, Policy
from bewust.config.texts import Chooser, Text, Texts, TextsError
from bewust.model import Context, Level, Status
from support.reminder_texts import FILLED, NL, SERVICES, found, service

ALL = {"R01", "R04", "R05", "R06", "R07", "R18", "R26"}
CHAT = {"R02", "R03", "R08", "R09", "R10", "R12", "R13", "R14", "R15", "R16", "R17"}
QUALITY = {text.id for text in NL.text if text.about == "quality"}


def fitting(id_: str, level: Level = Level.USE, policy: Policy | None = None, language: Texts = NL) -> list[str]:
    chooser = Chooser(policy or Policy(fill=FILLED), language)
    return [text.id for text in chooser.eligible_texts(SERVICES[id_], found(id_, level))]


# Which are true.


@pytest.mark.parametrize(
    ("id_", "level", "own"),
    [
        pytest.param("chat", Level.USE, CHAT, id="chat"),
        pytest.param("chat", Level.VISIT, CHAT, id="chat by name"),
        pytest.param("answer", Level.USE, {"R02", "R19", "R20", "R21"}, id="answer in search"),
        pytest.param("answer", Level.VISIT, {"R02", "R20", "R21"}, id="search by name: no answer was seen"),
        pytest.param("translate", Level.USE, {"R22", "R23", "R24"}, id="translation"),
        pytest.param("translate", Level.VISIT, {"R23", "R24"}, id="translation by name: no page was sent"),
        pytest.param("office", Level.USE, {"R08", "R09", "R10", "R25"}, id="embedded assistant"),
    ],
)
def test_each_context_has_exactly_its_texts(id_: str, level: Level, own: set[str]) -> None:
    assert set(fitting(id_, level)) == own | ALL


def test_what_is_about_just_this_use_comes_before_what_holds_for_all_ai() -> None:
    assert fitting("answer")[:5] == ["R19", "R20", "R21", "R02", "R01"]


@pytest.mark.parametrize(
    ("id_", "status", "alternative", "expected"),
    [
        pytest.param("chat", Status.UNCONTRACTED, "de eigen chat", "R11", id="uncontracted, with an alternative"),
        pytest.param("translator", Status.UNCONTRACTED, "eTranslation", "R29", id="no chat"),
        pytest.param("chat", Status.UNCONTRACTED, "", None, id="no alternative"),
        pytest.param("chat", Status.UNCONTRACTED, "  ", None, id="a blank is no alternative"),
        pytest.param("chat", Status.UNKNOWN, "de eigen chat", None, id="unknown"),
        pytest.param("chat", Status.CONDITIONAL, "de eigen chat", None, id="conditional"),
        pytest.param("chat", Status.CONTRACTED, "de eigen chat", None, id="contracted"),
        pytest.param("built-in-chat", Status.UNCONTRACTED, "de eigen chat", None, id="embedded: not chosen"),
        pytest.param("answer", Status.UNCONTRACTED, "de eigen chat", None, id="search"),
        pytest.param("translate", Status.UNCONTRACTED, "de eigen chat", None, id="translation"),
    ],
)
def test_no_contract_is_said_first_but_only_where_it_is_so_and_an_alternative_exists(
    id_: str, status: Status, alternative: str, expected: str | None
) -> None:
    found_ids = fitting(id_, policy=Policy(fill=FILLED, service={id_: Decision(status, alternative)}))
    assert [i for i in found_ids if i in ("R11", "R29")] == ([expected] if expected else [])
    assert expected is None or found_ids[0] == expected


@pytest.mark.parametrize("id_", sorted(SERVICES))
@pytest.mark.parametrize("internal", [False, True])
def test_a_service_under_contract_gets_texts_about_quality_only(id_: str, internal: bool) -> None:
    chooser = Chooser(Policy(fill=FILLED, service={id_: Decision(Status.CONTRACTED, "iets")}), NL)
    ids = {text.id for text in chooser.eligible_texts(SERVICES[id_], found(id_, internal=internal))}
    assert ids and ids <= QUALITY


@pytest.mark.parametrize(
    ("id_", "level", "expected"),
    [
        ("chat", Level.USE, "R30"), ("answer", Level.USE, "R31"), ("answer", Level.VISIT, "R32"),
        ("translate", Level.USE, "R33"), ("translate", Level.VISIT, "R34"), ("office", Level.USE, "R35"),
    ],
)  # fmt: skip
def test_every_context_has_one_text_that_explains(id_: str, level: Level, expected: str) -> None:
    chooser = Chooser(Policy(fill=FILLED), NL)
    assert [text.id for text in chooser.eligible_texts(SERVICES[id_], found(id_, level), explain=True)] == [expected]


def test_every_service_of_the_catalogue_has_something_to_say_in_every_language() -> None:
    for language in config_languages.known():
        chooser = Chooser(Policy(), texts.load(language))
        for one in loading.load():
            about = msgspec.structs.replace(found("x"), service=one.id)
            assert chooser.eligible_texts(one, about), one.id
            assert chooser.eligible_texts(one, about, explain=True)[0].explains, one.id


def test_an_internal_page_gets_the_strong_texts_and_nothing_else_does() -> None:
    chooser = Chooser(Policy(fill=FILLED), NL)
    strong = [text.id for text in chooser.eligible_texts(SERVICES["translate"], found("translate", internal=True))]
    assert strong == ["R27", "R28"]
    assert not {"R27", "R28"} & set(fitting("translate"))


def test_a_language_without_a_strong_text_has_its_others() -> None:
    mild = msgspec.structs.replace(NL, text=tuple(text for text in NL.text if not text.internal))
    chooser = Chooser(Policy(fill=FILLED), mild)
    assert chooser.eligible_texts(SERVICES["translate"], found("translate", internal=True))


@given(st.dictionaries(st.sampled_from(sorted(FILLED)), st.sampled_from(["", " ", "\n", "iets"])))
def test_a_text_with_an_empty_placeholder_is_never_shown(fill: dict[str, str]) -> None:
    chooser = Chooser(Policy(fill=fill), NL)
    for id_ in ("chat", "answer", "translate"):
        for text in chooser.eligible_texts(SERVICES[id_], found(id_)):
            message = chooser.message(SERVICES[id_], text)
            assert "{" not in message
            assert "  " not in message
            assert " ." not in message


def test_a_text_can_be_switched_off_by_leaving_it_empty(tmp_path: Path) -> None:
    overlay(tmp_path, '[[text]]\nid = "R01"\ntext = ""\nsource = "ons"\n')
    changed = texts.load("nl", tmp_path)
    assert "R01" not in fitting("chat", language=changed)
    (text,) = [text for text in changed.text if text.id == "R01"]
    assert Chooser(Policy(), changed).missing_placeholder(SERVICES["chat"], text) == "switched off"


# What is read.


def test_a_reminder_names_the_service_as_people_say_it() -> None:
    one = service("google-ai-overview", Context.SEARCH, True, "Google AI Overview")
    chooser = Chooser(Policy(), NL)
    assert chooser.title(one, internal=False) == "AI-antwoord in Google Zoeken"
    assert chooser.name(one) == "Google Zoeken"


def test_an_internal_page_has_a_title_that_says_so() -> None:
    assert Chooser(Policy(), NL).title(SERVICES["translate"], internal=True) == "Interne tekst naar translate"


def test_a_title_too_long_is_cut_where_a_reader_sees_it() -> None:
    assert Chooser(Policy(), Texts()).title(service("chat", name="x" * 100), internal=False) == "x" * 62 + "…"


ANY = st.text(max_size=300) | st.text("😀", max_size=200)


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


@example({"contact": "😀" * 120, "meldpunt": "😀" * 120}, "😀" * 120, "😀" * 50, "chat")
@given(st.dictionaries(st.sampled_from(sorted(FILLED)), ANY), ANY, ANY, st.sampled_from(sorted(SERVICES)))
def test_whatever_policy_fills_in_what_is_shown_fits_in_a_toast(
    fill: dict[str, str], alternative: str, name: str, id_: str
) -> None:
    chooser = Chooser(Policy(fill=fill, service={id_: Decision(Status.UNCONTRACTED, alternative)}), NL)
    one = service(id_, SERVICES[id_].context, SERVICES[id_].embedded, name or "x")
    assert units(chooser.title(one, internal=False)) <= texts.TITLE_LIMIT
    for text in chooser.eligible_texts(one, found(id_)):
        assert 0 < units(chooser.message(one, text)) <= texts.SENTENCE_LIMIT


# Reading them.


def overlay(folder: Path, text: str | bytes, language: str = "nl") -> Path:
    (folder / "texts").mkdir(exist_ok=True)
    data = text.encode() if isinstance(text, str) else text
    (folder / "texts" / f"{language}.toml").write_bytes(data)
    return folder


def test_an_overlay_replaces_and_adds_texts_by_id_and_words_by_name(tmp_path: Path) -> None:
    overlay(tmp_path, '[words]\nopen = "Uitleg"\n'
                      '[[text]]\nid = "R01"\ntext = "Van ons."\nsource = "ons"\n'
                      '[[text]]\nid = "G01"\ntext = "Nieuw."\nsource = "ons"\n')  # fmt: skip
    changed = texts.load("nl", tmp_path)
    assert {t.id: t.text for t in changed.text} == {t.id: t.text for t in NL.text} | {
        "R01": "Van ons.",
        "G01": "Nieuw.",
    }
    assert changed.titles == NL.titles
    assert changed.words == {**NL.words, "open": "Uitleg"}


def test_another_language_is_a_file_of_its_own(tmp_path: Path) -> None:
    overlay(tmp_path, '[[text]]\nid = "F01"\ntext = "Tink derom."\nsource = "ús"\n', "fy")
    frisian = texts.load("fy", tmp_path)
    assert fitting("chat", language=frisian) == ["F01"]
    assert Chooser(Policy(), frisian).title(SERVICES["chat"], internal=False) == "chat"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        pytest.param("text = nl", "not TOML", id="no TOML"),
        pytest.param("x = " + "9" * 5000, "not TOML", id="a number too long to be one"),
        pytest.param(b'text = "\xff"', "not TOML", id="not UTF-8"),
        pytest.param('[[text]]\nid = "R01"\n', "`text`", id="a text without text"),
        pytest.param('[[text]]\nid = "A"\ntext = ""\nsource = ""\ncontexts = ["chatt"]', "chatt", id="unknown context"),
        pytest.param('[[text]]\nid = "A"\ntext = ""\nsource = ""\nabout = "x"', "about", id="about nothing we know"),
        pytest.param('[[text]]\nid = "A"\ntext = ""\nsource = ""\n' * 2, "'A' is there twice", id="an id twice"),
        pytest.param("tittles = {}", "tittles", id="unknown key"),
    ],
)
def test_a_mistake_in_texts_is_one_line_that_names_the_file(tmp_path: Path, text: str | bytes, names: str) -> None:
    with pytest.raises(TextsError) as error:
        texts.load("nl", overlay(tmp_path, text))
    assert str(error.value).startswith(str(tmp_path / "texts" / "nl.toml"))
    assert names in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", [None, ""], ids=["no file", "an empty file"])
def test_a_language_without_texts_is_refused(tmp_path: Path, text: str | None) -> None:
    folder = tmp_path if text is None else overlay(tmp_path, text, "fy")
    with pytest.raises(TextsError, match=r"texts/fy.toml: .*(add the file|Begin)"):
        texts.load("fy", folder)


# Whether they fit, once filled in.


def test_our_own_texts_fit_with_every_service_and_a_long_alternative() -> None:
    services = loading.load()
    decided = {one.id: Decision(Status.UNCONTRACTED, "de chatdienst van de gemeente Voorbeeldstad") for one in services}
    for language in config_languages.known():
        texts.check(texts.load(language), Policy(fill=FILLED, service=decided), services, "x")


@pytest.mark.parametrize(
    ("text", "policy", "names"),
    [
        pytest.param(Text("G01", "x" * 191, "ons"), Policy(), "'G01': has 191 characters", id="long by itself"),
        pytest.param(Text("G01", "{tip}", "ons"), Policy(fill={"tip": "x" * 191}), "191", id="long once filled in"),
        pytest.param(Text("G01", "{meldpnt}", "ons"), Policy(fill=FILLED), "{meldpnt} is not in", id="misspelt"),
        pytest.param(
            Text("G01", "{alternatief}", "ons"), Policy(service={"chat-2": Decision(alternative="x" * 191)}),
            "as for chat-2", id="long for one service",
        ),
    ],
)  # fmt: skip
def test_a_text_that_could_never_be_shown_is_refused(text: Text, policy: Policy, names: str) -> None:
    with pytest.raises(TextsError) as error:
        texts.check(Texts({}, (text,)), policy, SERVICES.values(), "texts/nl.toml")
    assert str(error.value).startswith("texts/nl.toml: text 'G01'")
    assert names in str(error.value)


def test_a_word_of_the_toast_that_is_too_long_is_refused() -> None:
    with pytest.raises(TextsError, match=r"words.open: has 41 characters; 40 is the most"):
        texts.check(Texts(words={"open": "x" * 41}), Policy(), SERVICES.values(), "texts/nl.toml")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("[titles]\nserach = 'x'", "titles.serach: nothing has that name. Use one of chat, search,"),
        ("[words]\nopened = 'x'", "words.opened: nothing has that name. Use one of why, open, not_today."),
    ],
)
def test_a_title_or_word_that_nothing_uses_is_refused(tmp_path: Path, text: str, names: str) -> None:
    file = tmp_path / "texts" / "nl.toml"
    file.parent.mkdir()
    file.write_text(text, encoding="utf-8")
    with pytest.raises(TextsError) as error:
        texts.load("nl", tmp_path)
    assert str(error.value).startswith(f"{file}: {names}")


def test_a_name_for_a_service_that_nobody_knows_is_refused() -> None:
    with pytest.raises(TextsError, match=r"names.chatgtp: is not in the catalogue. Correct the id"):
        texts.check(Texts(names={"chatgtp": "x"}), Policy(), SERVICES.values(), "texts/nl.toml")
