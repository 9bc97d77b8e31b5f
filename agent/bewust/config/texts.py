"""The reminder texts of a language: reading them, and which of them is true of a use.

Belongs here: what a text is for, what fills its placeholders, how long it may be. Not here: when.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources.abc import Traversable
from typing import Literal

import msgspec
import tomli

from bewust.config import languages as config_languages
from bewust.config.policy import Policy
from bewust.errors import CONFIG, BewustError
from bewust.model import Context, Detection, Level, Service, Status

TITLE_LIMIT = 63  # UTF-16 units; what a Windows balloon takes, less its closing NUL
WORD_LIMIT = 40  # of a button, or of the line that says why, less its address
SENTENCE_LIMIT = 190  # leaves room below it for the line that says why

TITLES = (*Context, "internal", "other")
WORDS = ("why", "open", "not_today")

About = Literal["quality", "data", "choice"]
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


class TextsError(BewustError, ValueError):
    """A mistake in a file of texts: names the file, the text, what is wrong and what to do."""

    exit_code = CONFIG


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One reminder. Empty `contexts`, `statuses` and `levels`, or `embedded` None, mean any.

    `about`: the quality of what AI makes, the data that people enter, or the choice of a service; a
    service under contract gets the first only. An `internal` one is for pages of the organisation
    itself, one that `explains` for the first time in its context; neither for anything else.
    """

    id: str
    text: str
    source: str
    about: About = "data"
    contexts: tuple[Context, ...] = ()
    statuses: tuple[Status, ...] = ()
    levels: tuple[Level, ...] = ()
    embedded: bool | None = None
    internal: bool = False
    explains: bool = False

    def applies_to(self, service: Service, level: Level, status: Status) -> bool:
        """Whether the text is true of this use."""
        return (
            (not self.contexts or service.context in self.contexts)
            and (not self.statuses or status in self.statuses)
            and (not self.levels or level in self.levels)
            and self.embedded in (None, service.embedded)
            and (status is not Status.CONTRACTED or self.explains or self.about == "quality")
        )


class Texts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One language. `titles` per context (`internal` for own pages, `other` for the rest), `names` of services.

    `words` are those of the toast itself: `why`, `open` and `not_today`.
    """

    titles: Mapping[str, str] = {}
    text: tuple[Text, ...] = ()
    names: Mapping[str, str] = {}
    words: Mapping[str, str] = {}


def load(language: str, overlay: Traversable | None = None) -> Texts:
    """Return the texts of a language; those of `overlay` count over ours by id. Raises TextsError."""
    found: Texts | None = None
    theirs = overlay.joinpath("texts").joinpath(f"{language}.toml") if overlay is not None else None
    for file in (config_languages.reminders(language), theirs):
        if file is None or not file.is_file():
            continue
        texts = _read(file)
        found = texts if found is None else _merged(found, texts)
    if found is None:
        ours = ", ".join(config_languages.known())
        raise TextsError(f"texts/{language}.toml: does not exist. Set language to one of {ours}, or add the file.")
    if not found.text:
        raise TextsError(f"texts/{language}.toml: has no text. Begin each with [[text]], as our own files do.")
    return found


def _read(file: Traversable) -> Texts:
    try:
        texts = msgspec.convert(tomli.loads(file.read_bytes().decode("utf-8-sig")), Texts)
    except OSError as error:
        raise TextsError(f"{file}: cannot be read ({error.strerror}). Check its owner and mode.") from error
    except msgspec.ValidationError as error:
        raise TextsError(f"{file}: {error}. Correct that key; our own files are examples.") from error
    except (ValueError, RecursionError) as error:  # not only TOMLDecodeError: also a number too long
        raise TextsError(f"{file}: is not TOML ({error}). Mend the line it names.") from error
    ids = [text.id for text in texts.text]
    if twice := {i for i in ids if ids.count(i) > 1}:
        raise TextsError(f"{file}: text {sorted(twice)[0]!r} is there twice. Remove one of them.")
    for section, given, known in (("titles", texts.titles, TITLES), ("words", texts.words, WORDS)):
        if unknown := sorted(set(given) - set(known)):
            raise TextsError(f"{file}: {section}.{unknown[0]}: nothing has that name. Use one of {', '.join(known)}.")
    return texts


def _merged(ours: Texts, theirs: Texts) -> Texts:
    text = {text.id: text for text in (*ours.text, *theirs.text)}
    return Texts(
        {**ours.titles, **theirs.titles},
        tuple(text.values()),
        {**ours.names, **theirs.names},
        {**ours.words, **theirs.words},
    )


class Chooser:
    """What can be said about a use, under one policy and in one language."""

    def __init__(self, policy: Policy, texts: Texts) -> None:
        self.policy = policy
        self.texts = texts

    def eligible_texts(self, service: Service, about: Detection, explain: bool = False) -> list[Text]:
        """Return the texts that are true of a use and have something to show, the most specific first.

        One that explains comes alone, and so does one for internal pages; where there is none, the
        others speak: a language without a strong text still has its mild ones.
        """
        status = self.policy.decision(service.id).status
        true = [text for text in self.texts.text if text.applies_to(service, about.level, status)]
        complete = [text for text in true if self.missing_placeholder(service, text) is None]
        strong = [text for text in complete if text.internal] if about.internal else []
        if status is Status.CONTRACTED:
            strong = []
        first = [text for text in complete if text.explains and not text.internal] if explain else []
        ordinary = [text for text in complete if not text.internal and not text.explains]
        # What follows from a decision comes before what is about this kind of use, and that before all AI.
        return sorted(strong or first or ordinary, key=_generality)

    def missing_placeholder(self, service: Service, text: Text) -> str | None:
        """Return why a text is never shown for a service; None where it can be."""
        fill = self._fill(service)
        if missing := [name for name in _PLACEHOLDER.findall(text.text) if not fill.get(name)]:
            return f"{{{missing[0]}}} has no value in the policy"
        filled = _fill_in(text.text, fill)
        if not filled:
            return "switched off"
        return "too long" if _units(filled) > SENTENCE_LIMIT else None

    def message(self, service: Service, text: Text) -> str:
        """Return a text as a person reads it."""
        return _fill_in(text.text, self._fill(service))

    def title(self, service: Service, internal: bool) -> str:
        """Return what is above it: the service in the reader's words, within TITLE_LIMIT."""
        titles = self.texts.titles
        pattern = titles.get(service.context, titles.get("other", "{dienst}"))
        if internal:
            pattern = titles.get("internal", pattern)
        return _cut(_fill_in(pattern, self._fill(service)), TITLE_LIMIT)

    def name(self, service: Service) -> str:
        """Return what people call a service."""
        return self.texts.names.get(service.id, service.name)

    def _fill(self, service: Service) -> dict[str, str]:
        alternative = self.policy.decision(service.id).alternative
        fill = {**self.policy.fill, "dienst": self.name(service), "alternatief": alternative}
        return {name: value.strip() for name, value in fill.items()}


def check(texts: Texts, policy: Policy, services: Iterable[Service], file: str) -> None:
    """Refuse a text that would be too long in a toast once filled in, or whose placeholder nobody fills.

    So too the name of a service that nobody knows. Raises TextsError: they would silently never be shown.
    """
    for problem in _mistakes(Chooser(policy, texts), list(services)):
        raise TextsError(f"{file}: {problem}")


def _mistakes(chooser: Chooser, services: list[Service]) -> Iterator[str]:
    for name, word in chooser.texts.words.items():
        if _units(word) > WORD_LIMIT:
            yield f"words.{name}: has {_units(word)} characters; {WORD_LIMIT} is the most. Shorten it."
    for name in sorted(set(chooser.texts.names) - {service.id for service in services}):
        yield f"names.{name}: is not in the catalogue. Correct the id, or remove it."
    known = {*chooser.policy.fill, "dienst", "alternatief"}
    for text in chooser.texts.text:
        for name in _PLACEHOLDER.findall(text.text):
            if name not in known:
                yield f"text {text.id!r}: {{{name}}} is not in [fill] of the policy. Correct it, or add it there."
        of_service = {"dienst", "alternatief"} & set(_PLACEHOLDER.findall(text.text))
        for service in services if of_service else services[:1]:
            status = chooser.policy.decision(service.id).status
            fits = not of_service or any(text.applies_to(service, level, status) for level in Level)
            size = _units(chooser.message(service, text))
            if fits and size > SENTENCE_LIMIT:
                yield (
                    f"text {text.id!r}: has {size} characters when filled in, as for {chooser.name(service)}; "
                    f"{SENTENCE_LIMIT} is the most. Shorten it, or what fills it."
                )


def list_texts(texts: Texts, policy: Policy, service: Service | None = None) -> Iterator[dict[str, str]]:
    """Yield every text, or those of a service: id, text, when and for what it is shown, source, and why never."""
    chooser = Chooser(policy, texts)
    fill = {name: value.strip() for name, value in policy.fill.items() if value.strip()}
    for text in texts.text:
        said, never = _fill_in(text.text, fill), ""
        missing = [name for name in _PLACEHOLDER.findall(text.text) if name in policy.fill and name not in fill]
        if missing:
            never = f"{{{missing[0]}}} has no value in the policy"
        elif not said:
            never = "switched off"
        if service is not None:
            status = policy.decision(service.id).status
            if not any(text.applies_to(service, level, status) for level in Level):
                continue
            said, never = chooser.message(service, text), chooser.missing_placeholder(service, text) or ""
        yield {"id": text.id, "text": said, "when": _when(text), "source": text.source, "never": never}


def _when(text: Text) -> str:
    """Return in words what a text is for."""
    return ", ".join(
        [
            *(["internal pages"] if text.internal else ["first use"] if text.explains else []),
            " ".join(text.contexts) or "all AI",
            *text.statuses,
            *(f"{level} only" for level in text.levels),
            *([] if text.embedded is None else ["embedded" if text.embedded else "chosen"]),
            text.about,
        ]
    )


def _generality(text: Text) -> tuple[bool, int]:
    return not text.statuses, len(text.contexts) or len(Context)


def _fill_in(pattern: str, fill: Mapping[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda match: fill.get(match[1]) or match[0], pattern).strip()


def _units(text: str) -> int:
    """Return the length as Windows counts it: an emoji is two."""
    return len(text.encode("utf-16-le")) // 2


def _cut(text: str, limit: int) -> str:
    if _units(text) <= limit:
        return text
    while _units(text) >= limit:
        text = text[: min(len(text), limit) - 1]
    return text + "…"
