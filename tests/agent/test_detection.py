"""One verdict a request, the strongest; internal pages told apart; one activity counted once."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bewust.catalogue import load
from bewust.detection import ACTIVITIES_LIMIT, FIELDS_LIMIT, Activities, Findings, detect, is_internal, observe
from bewust.matching import compile_services
from bewust.model import Depth, Level

MATCHER = compile_services(load(), lambda service: Depth.RESPONSE)
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def look(url: str, method: str = "GET", *headers: tuple[str, str], internal: Sequence[str] = ()) -> Findings:
    return detect(observe(method, url, headers), MATCHER, internal)


def verdict(url: str, method: str = "GET", *headers: tuple[str, str]) -> tuple[str, str] | None:
    found = look(url, method, *headers).detection
    return None if found is None else (found.service, found.level.value)


PROMPT = "https://chatgpt.com/backend-api/conversation"


# What a request is.


def test_an_observation_holds_decoded_facts() -> None:
    seen = observe(
        "post",
        "https://WWW.Google.com:443/a%20b%2Fc?q=x+y&q=%26&empty=&udm%3D50=1#udm=50",
        [("Origin", "https://a.example"), ("Cookie", "secret"), ("Authorization", "secret"), ("X-Other", "1")],
    )
    assert (seen.host, seen.method, seen.path, seen.websocket) == ("www.google.com", "POST", "/a b/c", False)
    assert seen.query == {"q": ("x y", "&"), "empty": ("",), "udm=50": ("1",)}
    assert seen.headers == {"origin": "https://a.example"}


def test_a_socket_is_known_by_its_scheme_or_by_what_the_hook_says() -> None:
    assert observe("GET", "wss://a.example/").websocket
    assert observe("GET", "https://a.example/", websocket=True).websocket
    assert observe("GET", "https://a.example").path == "/"


@pytest.mark.parametrize(
    "url",
    [
        PROMPT,
        "https://CHATGPT.COM/backend-api/conversation",
        "HTTPS://chatgpt.com/backend-api/conversation",
        "https://chatgpt.com./backend-api/conversation",
        "https://chatgpt.com:443/backend-api/conversation",
        "https://chatgpt.com:8443/backend-api/conversation",
        "https://user:pass@chatgpt.com/backend-api/conversation",
        "https://evil.example@chatgpt.com/backend-api/conversation",
        "https://ｃhatgpt.com/backend-api/conversation",
        "https://chatgpt。com/backend-api/conversation",
        "https://chatgpt%2Ecom/backend-api/conversation",
        "https://chatgpt.com/backend-api/convers%61tion",
        "https://chatgpt.com/backend-api/conversation?x=%ff#y",
        "https:\\\\chatgpt.com\\backend-api\\conversation",
    ],
)
def test_how_a_url_is_written_does_not_change_its_verdict(url: str) -> None:
    assert verdict(url, "POST") == ("chatgpt", "use")


@pytest.mark.parametrize(
    "url",
    [
        "https://chatgpt.com@evil.example/backend-api/conversation",
        "https://chatgpt.com:443@evil.example/backend-api/conversation",
        "https://chatgpt.com%40evil.example/backend-api/conversation",
        "https://evil.example\\@chatgpt.com/backend-api/conversation",
        "https://evil.example\\.chatgpt.com/backend-api/conversation",
        "https://evil.example#@chatgpt.com/backend-api/conversation",
        "https://evil.example?@chatgpt.com/backend-api/conversation",
        "https://evil.example/https://chatgpt.com/backend-api/conversation",
        "https://evil.example%2F.chatgpt.com/backend-api/conversation",
        "https://chatgpt.com%3A443/backend-api/conversation",
        "https://chatgpt.com.evil.example/backend-api/conversation",
        "https://notchatgpt.com/backend-api/conversation",
        "https://chatgpt.co/backend-api/conversation",
        "https://chatgpt.com../backend-api/conversation",
        "https://chatgpt.com,evil.example/backend-api/conversation",
        "https://[chatgpt.com]/backend-api/conversation",
        "https://[::1]/backend-api/conversation",
        "https:///backend-api/conversation",
        "ftp://chatgpt.com/backend-api/conversation",
        "blob:https://chatgpt.com/backend-api/conversation",
        "data:text/html,https://chatgpt.com/",
        "chatgpt.com/backend-api/conversation",
        "//chatgpt.com/backend-api/conversation",
        "https://сhatgpt.com/backend-api/conversation",  # the first letter is Cyrillic
        "",
    ],
)
def test_a_url_that_only_names_a_service_is_none(url: str) -> None:
    assert verdict(url, "POST") is None


@given(st.text())
@example("https://[")
@example("https://a.example:99999999/")
@example("https://℀.example/")
@example("https://" + "é" * 300 + ".example/")
@example("https://chatgpt.com/" + "?&" * 5000)
def test_any_text_as_url_gives_a_verdict(text: str) -> None:
    look(text, text, ("origin", text), ("referer", text), ("sec-purpose", text))
    assert verdict("https://evil.example/" + text) is None
    verdict("https://" + text)
    verdict("https://www.google.com/search?" + text)


def test_a_query_of_too_many_fields_is_not_read() -> None:
    url = "https://www.google.com/search?udm=50&q=x"
    assert verdict(url) == ("google-ai-mode", "use")
    assert verdict(url + "&a=1" * FIELDS_LIMIT) is None


# Which of several rules speaks.


def test_use_goes_before_visit_before_ignore() -> None:
    assert verdict(PROMPT, "POST") == ("chatgpt", "use")
    assert verdict("https://chatgpt.com/") == ("chatgpt", "visit")
    assert verdict("https://chatgpt.com/backend-api/me") == ("chatgpt", "ignore"), "housekeeping is no visit"
    assert verdict("https://duckduckgo.com/duckchat/v1/chat", "POST") == ("duck-ai", "use")
    assert verdict("https://duckduckgo.com/duckchat/v1/status") == ("duck-ai", "ignore")
    assert verdict("https://duckduckgo.com/") is None


def test_a_detection_names_the_signature_and_where_it_is_written() -> None:
    found = look(PROMPT, "POST").detection
    assert found is not None
    assert (found.signature, found.file, found.internal) == ("prompt", "openai.toml", False)
    assert found.line > 0


def test_a_result_page_is_open_until_its_body_was_read() -> None:
    findings = look("https://www.google.com/search?q=x")
    assert findings.detection is None
    assert [rule.signature.id for rule in findings.pending] == ["inline", "people-also-ask"]


def test_a_request_that_is_a_use_leaves_nothing_open() -> None:
    assert look("https://www.google.com/search?q=x&udm=50").pending == ()


@pytest.mark.parametrize("header", ["Sec-Purpose", "Purpose"])
@pytest.mark.parametrize("value", ["prefetch", "prefetch;prerender", "Prefetch"])
@pytest.mark.parametrize(
    "url", ["https://www.bing.com/copilotsearch?q=x", "https://www.bing.com/search?q=x", "https://www.google.com/search?q=x"]
)  # fmt: skip
def test_what_is_fetched_ahead_of_the_person_is_no_use(header: str, value: str, url: str) -> None:
    assert look(url, "GET", (header, value)) == Findings(None, ())
    assert look(url, "GET", (header, "")) != Findings(None, ())


def test_a_prefetched_page_of_a_service_is_still_a_visit() -> None:
    assert verdict("https://chatgpt.com/", "GET", ("Sec-Purpose", "prefetch")) == ("chatgpt", "visit")


# Internal pages.

TRANSLATE = "https://translate-pa.googleapis.com/v1/translateHtml"


@pytest.mark.parametrize(
    ("header", "value", "expected"),
    [
        ("Origin", "https://intranet.gemeente.example", True),
        ("Origin", "https://gemeente.example:8443", True),
        ("Origin", "https://INTRANET.Gemeente.Example.", True),
        ("Referer", "https://zaken.gemeente.example/dossier/1", True),
        ("Origin", "https://intranet", True),
        ("Origin", "http://10.1.2.3:8080", True),
        ("Origin", "http://192.168.0.1", True),
        ("Origin", "http://[fd00::1]/", True),
        ("Origin", "http://localhost", True),
        ("Origin", "https://notgemeente.example", False),
        ("Origin", "https://gemeente.example.evil.example", False),
        ("Origin", "https://www.example.com", False),
        ("Origin", "http://8.8.8.8", False),
        ("Origin", "http://0.0.0.0", False),
        ("Origin", "null", False),
        ("Origin", "chrome-extension://aapbdbdomjkkjkaonfhkkikfgjllcleb", False),
        ("Origin", "moz-extension://1c9a1a34-0000-4000-8000-000000000000", False),
        ("Origin", "file://", False),
        ("Origin", "https://[", False),
        ("Accept", "https://intranet", False),
    ],
)
def test_translating_the_organisations_own_page_is_internal(header: str, value: str, expected: bool) -> None:
    found = look(TRANSLATE, "POST", (header, value), internal=["*.Gemeente.example", "gemeente.example", ""]).detection
    assert found is not None
    assert found.internal is expected


def test_without_origin_and_referer_nothing_is_known_to_be_internal() -> None:
    found = look(TRANSLATE, "POST", internal=["gemeente.example"]).detection
    assert found is not None
    assert not found.internal


def test_an_opaque_origin_leaves_the_referer_to_speak() -> None:
    headers = ("Origin", "null"), ("Referer", "https://intranet/page")
    found = look(TRANSLATE, "POST", *headers).detection
    assert found is not None
    assert found.internal


def test_only_the_use_of_a_translation_is_internal() -> None:
    origin = ("Origin", "https://intranet")
    for url, method in [
        (PROMPT, "POST"),
        ("https://translate.google.com/", "GET"),
        ("https://edge.microsoft.com/translate/auth", "GET"),
    ]:
        found = look(url, method, origin).detection
        assert found is not None
        assert not found.internal


@given(st.text(), st.lists(st.text(), max_size=3))
def test_any_text_as_host_is_internal_or_not(host: str, internal: list[str]) -> None:
    assert is_internal(host, internal) in (True, False)
    assert not is_internal(
        "www.example.com", ["", "*.", ".", "*", *(h for h in internal if "example" not in h.lower())]
    )


# Activities.


class Person:
    """Somebody's uses of one service, and how many activities they made."""

    def __init__(self, gap: float, who: int = 1, service: str = "s", activities: Activities | None = None) -> None:
        self._activities = activities or Activities()
        self._gap, self._who, self._service = gap, who, service
        self.count = 0

    def use(self, after: float, level: Level = Level.USE) -> None:
        now = NOON + timedelta(seconds=after)
        self.count += self._activities.begins(self._who, self._service, level, self._gap, now)


def test_the_forty_requests_of_one_translated_page_are_one_activity() -> None:
    reader = Person(gap=60)
    for number in range(40):
        reader.use(after=number * 1.5)
    assert reader.count == 1


def test_an_inline_answer_and_its_lazy_fragments_are_one_activity() -> None:
    searcher = Person(gap=10)
    for after in (0, 0.8, 2, 9.9):
        searcher.use(after)
    assert searcher.count == 1


def test_two_result_pages_half_a_minute_apart_are_two() -> None:
    searcher = Person(gap=10)
    for after in (0, 1, 30, 31):
        searcher.use(after)
    assert searcher.count == 2


def test_what_goes_on_without_a_gap_is_one_activity_however_long() -> None:
    reader = Person(gap=60)
    for minute in range(600):
        reader.use(minute * 59)
    assert reader.count == 1


@pytest.mark.parametrize(("pause", "expected"), [(9.999, 1), (10, 2), (10.001, 2)])
def test_the_gap_itself_ends_an_activity(pause: float, expected: int) -> None:
    searcher = Person(gap=10)
    searcher.use(0)
    searcher.use(pause)
    assert searcher.count == expected


def test_people_services_and_levels_are_apart() -> None:
    shared = Activities()
    people = [Person(60, who, service, shared) for who in (1, 2) for service in ("a", "b")]
    for person in people:
        for level in (Level.USE, Level.VISIT, Level.USE):
            person.use(1, level)
    assert [person.count for person in people] == [2, 2, 2, 2]


def test_a_clock_set_back_counts_once_and_not_for_ever() -> None:
    reader = Person(gap=60)
    for after in (0, -3600, -3599, -3590):
        reader.use(after)
    assert reader.count == 2
    reader.use(0)
    assert reader.count == 3


def test_a_clock_set_back_by_less_than_the_gap_changes_nothing() -> None:
    reader = Person(gap=60)
    for after in (0, -30, -10):
        reader.use(after)
    assert reader.count == 1


def test_memory_is_bounded_and_the_newest_is_kept() -> None:
    activities = Activities()
    for who in range(3 * ACTIVITIES_LIMIT):
        assert activities.begins(who, "s", Level.USE, 60, NOON + timedelta(milliseconds=who))
        assert len(activities._last) <= ACTIVITIES_LIMIT + 1
    assert not activities.begins(3 * ACTIVITIES_LIMIT - 1, "s", Level.USE, 3600, NOON + timedelta(seconds=31))


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=30), st.floats(1, 1e5))
def test_there_is_one_activity_more_than_there_are_gaps(times: list[float], gap: float) -> None:
    moments = [NOON + timedelta(seconds=after) for after in sorted(times)]
    activities = Activities()
    count = sum(activities.begins(1, "s", Level.USE, gap, moment) for moment in moments)
    pauses = zip(moments[1:], moments, strict=False)
    assert count == 1 + sum(later - earlier >= timedelta(seconds=gap) for later, earlier in pauses)
