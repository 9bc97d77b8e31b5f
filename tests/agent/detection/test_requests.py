"""One verdict a request, the strongest; internal pages told apart; one activity counted once."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bewust.catalogue.loading import load
from bewust.catalogue.matching import compile_services
from bewust.detection.requests import FIELDS_LIMIT, RequestFindings, detect, observe
from bewust.model import Depth

MATCHER = compile_services(load(), lambda service: Depth.RESPONSE)
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def look(url: str, method: str = "GET", *headers: tuple[str, str], internal: Sequence[str] = ()) -> RequestFindings:
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
    assert look(url, "GET", (header, value)) == RequestFindings(None, ())
    assert look(url, "GET", (header, "")) != RequestFindings(None, ())


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
