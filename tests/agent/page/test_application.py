"""The page over real HTTP: who gets what, and which commands are refused."""

import asyncio
import html
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import msgspec
import pytest

from agent.pac_engine import answer
from bewust.model import Context, Kind
from bewust.page.application import PAGES, THEME_LIMIT
from bewust.page.guard import FORM_LIMIT, form_token
from bewust.page.shown import Login
from bewust.page.words import languages
from support.pages import POLICY, WHO, Fake, Served, busy, reminder, served

HOSTILE = "<script>alert('1')</script>\"&"
SLUGS = [*PAGES, "oops", "kept/delete"]


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path) as here:
        yield here


def refused(page: Served, path: str, fields: dict[str, str], status: int, **headers: str) -> None:
    """A command is not obeyed, and the person is told so in words."""
    answer = page.post(path, fields, **headers)
    assert answer[0] == status
    assert "niets veranderd" in answer[2]
    assert not page.agent.asked


# Pages.


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("slug", SLUGS)
def test_every_page_is_there_in_its_language_and_runs_nothing_of_its_own(
    page: Served, language: str, slug: str
) -> None:
    busy(page.agent)
    status, headers, body = page.ask(f"/{language}/{slug}")
    assert status == 200 and f'<html lang="{language}">' in body
    others = [code for code in languages() if code != language]
    assert all(f'href="/{code}/{slug}"' in body for code in others)
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ") and "frame-ancestors 'none'" in policy
    assert ("script-src 'self'" in policy) == (slug in ("why", "oops")) == ("<script" in body)
    assert "style=" not in body and "<style" not in body and " onclick" not in body
    assert "unsafe" not in policy and headers["cache-control"] == "no-store"
    assert page.agent.token not in body and "set-cookie" not in headers
    assert page.ask(f"/{language}/{slug}", "HEAD")[::2] == (200, "")


class Words(HTMLParser):
    """The words that people read, and those that are read out to them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_data(self, data: str) -> None:
        self.found.append(data)


@pytest.mark.parametrize("slug", SLUGS)
def test_two_languages_say_hardly_a_word_alike(page: Served, slug: str) -> None:
    """A template that held words of its own would say them in both."""
    alike = []
    for language in languages():
        words = Words()
        words.feed(re.search(r"<main.*</main>", page.ask(f"/{language}/{slug}")[2], re.DOTALL)[0])  # type: ignore[index]
        alike.append({text.strip() for text in words.found if len(text.split()) > 3})
    names = {service.name for service in page.agent.rules.services.values()}
    assert not {text for text in set.intersection(*alike) - names if text not in POLICY and "bewust-report" not in text}


@pytest.mark.parametrize(("language", "leads"), [("nl", "/nl/"), ("en", "/en/"), ("fr", "/nl/")])
def test_the_address_alone_leads_to_the_organisations_language(page: Served, language: str, leads: str) -> None:
    rules = page.agent.rules
    page.agent.rules = msgspec.structs.replace(rules, policy=msgspec.structs.replace(rules.policy, language=language))
    status, headers, _ = page.ask("/")
    assert (status, headers["location"]) == (307, leads)


def test_the_first_page_says_what_is_decrypted_what_is_known_and_what_is_kept(page: Served) -> None:
    body = page.ask("/nl/")[2].replace("<wbr>", "")
    for words in ("Nooit gezien", "chatgpt.com", "www.google.nl", "Alleen aantallen", "24 november 2026 om 08:05"):
        assert words in body
    page.agent.inspector = "starting or down; browsing goes on undecrypted"
    assert "Op dit moment kijkt Bewust nergens mee" in page.ask("/nl/")[2]


def test_an_unknown_address_and_method_are_answered_kindly(page: Served) -> None:
    for path in ("/nl/nowhere", "/etc/passwd", "/static/shown.py", "/static/../words/nl.toml"):
        status, _, body = page.ask(path)
        assert status == 404 and "Deze pagina bestaat niet" in body, path
    assert "does not exist" in page.ask("/en/nowhere")[2]
    status, headers, _ = page.ask("/", "POST")
    assert status == 405 and "GET" in headers["allow"]


# Who sees what.


def test_another_login_sees_the_rules_and_nothing_personal(page: Served) -> None:
    busy(page.agent)
    page.agent.problems = ("/home/anna/bewust: not written",)
    page.agent.person = None
    bodies = {slug: page.ask(f"/nl/{slug}")[2].replace("<wbr>", "") for slug in SLUGS}
    everything = "".join(bodies.values())
    assert "<form" not in everything and "/home/anna" not in everything
    assert "AI-antwoord in Google Zoeken" not in everything  # the title of a reminder
    assert ">42<" not in everything and "bewust-report" not in everything
    assert "duck.ai: " not in everything and "Mogelijk verouderd" not in everything
    assert "niets anders" not in bodies["why"] and "Bewust herkent u niet" in bodies["why"]
    assert "Bewust herkent u niet" in bodies["kept"]
    assert "www.google.nl" in bodies[""] and "duckduckgo.com" in bodies[""]
    assert "Gemeente Voorbeeld bepaalt" in bodies["rules"]


def test_a_login_beside_others_sees_its_own_reminders_and_no_number(page: Served) -> None:
    busy(page.agent)
    assert page.agent.person is not None
    page.agent.person = msgspec.structs.replace(page.agent.person, alone=False)
    assert "AI-antwoord in Google Zoeken" in page.ask("/nl/why")[2]
    assert "Vandaag niet meer" in page.ask("/nl/")[2]
    kept = page.ask("/nl/kept")[2]
    assert "meer mensen op deze computer" in kept
    assert ">42<" not in kept and "bewust-report" not in kept and "kept/delete" not in kept.split("<main")[1]
    assert page.ask("/nl/kept/delete")[0] == 403
    assert "Mogelijk verouderd" not in page.ask("/nl/unseen")[2]
    refused(page, "/nl/kept/delete", {"token": form_token(page.agent.token, WHO, "delete")}, 403)


def test_problems_are_for_whoever_works_here(page: Served) -> None:
    page.agent.problems = ("/home/anna/bewust: not written",)
    assert "/home/anna/bewust" in page.ask("/nl/")[2]


# Commands.


def test_a_snooze_is_the_persons_own_and_leads_back(page: Served) -> None:
    token = page.token("/nl/")
    for fields, asked in [
        ({"span": "hour"}, ("hour", None)),
        ({"span": "today"}, ("today", None)),
        ({"span": "week", "context": "search"}, ("week", Context.SEARCH)),
        ({"span": "end", "context": "search"}, ("end", Context.SEARCH)),
        ({"span": "end", "context": ""}, ("end", None)),
    ]:
        status, headers, _ = page.post("/nl/snooze", {"token": token, **fields}, Origin=page.url)
        assert (status, headers["location"]) == (303, "/nl/#snooze")
        assert page.agent.asked.pop() == (WHO, *asked)


def test_deleting_asks_first_and_sets_the_counters_to_zero(page: Served) -> None:
    page.agent.use("google-ai-overview", times=3)
    assert page.ask("/nl/kept/delete")[0] == 200
    assert sum(page.agent.counts().values()) == 3
    token = page.token("/nl/kept/delete")
    status, headers, _ = page.post("/nl/kept/delete", {"token": token}, Sec_Fetch_Site="same-origin")
    assert (status, headers["location"]) == (303, "/nl/kept#counts")
    assert sum(page.agent.counts().values()) == 0


def test_where_the_organisation_does_not_allow_it_nobody_deletes(tmp_path: Path) -> None:
    with served(tmp_path, POLICY.replace("[page]", "[page]\ndelete = false")) as page:
        assert "uitgezet" in page.ask("/nl/kept")[2]
        assert page.ask("/nl/kept/delete")[0] == 403
        refused(page, "/nl/kept/delete", {"token": form_token(page.agent.token, WHO, "delete")}, 403)


def test_a_form_without_the_right_token_does_nothing(page: Served) -> None:
    for token in ("", "é" * 64, form_token(page.agent.token, WHO + 1, "snooze"), page.token("/nl/kept/delete")):
        refused(page, "/nl/snooze", {"token": token, "span": "hour"}, 403)
    refused(page, "/nl/kept/delete", {"token": page.token("/nl/")}, 403)
    token = page.token("/nl/")
    page.agent.person = Login(WHO + 1)  # the same browser, after somebody else logged in
    refused(page, "/nl/snooze", {"token": token, "span": "hour"}, 403)
    page.agent.person = None
    refused(page, "/nl/snooze", {"token": token, "span": "hour"}, 403)


def test_a_form_of_another_site_does_nothing_even_with_a_token(page: Served) -> None:
    fields = {"token": page.token("/nl/"), "span": "hour"}
    strangers = ["https://evil.example", "null", f"http://localhost:{page.agent.port}", "http://127.0.0.1"]
    for origin in strangers:
        refused(page, "/nl/snooze", fields, 403, Origin=origin)
    for site in ("cross-site", "same-site"):
        refused(page, "/nl/snooze", fields, 403, Sec_Fetch_Site=site)
    assert page.post("/nl/snooze", fields, Origin=f"http://127.0.0.1:{page.agent.port}")[0] == 303


def test_a_form_that_is_none_of_ours_does_nothing(page: Served) -> None:
    token = page.token("/nl/")
    refused(page, "/nl/snooze", {"token": token, "span": "hour", "more": "x" * FORM_LIMIT}, 413)
    refused(page, "/nl/snooze", {"token": token, "span": "hour"}, 415, Content_Type="text/plain")
    wrong: list[dict[str, str]] = [
        {}, {"span": "year"}, {"span": "week"}, {"span": "hour", "context": "search"}, {"span": "end", "context": "x"},
    ]  # fmt: skip
    for fields in wrong:
        refused(page, "/nl/snooze", {"token": token, **fields}, 400)


def test_a_name_that_a_stranger_points_here_is_refused(page: Served) -> None:
    for path in ("/", "/nl/", "/nl/kept", "/proxy.pac", "/status.json", "/static/page.css"):
        assert page.ask(path, Host="evil.example")[0] == 400
    assert page.post("/nl/snooze", {"token": page.token("/nl/"), "span": "hour"}, Host="evil.example")[0] == 400
    assert not page.agent.asked
    # By that name a browser may reach another login's server on ::1 first, in the same tab.
    assert page.ask("/nl/", Host=f"localhost:{page.agent.port}")[0] == 400
    assert page.ask("/nl/", Host=f"127.0.0.1:{page.agent.port}")[0] == 200


# What others wrote.


def test_what_others_wrote_stays_text(tmp_path: Path) -> None:
    hostile = json.dumps(HOSTILE)  # TOML writes strings alike
    policy = f"""
[page]
organisation = {hostile}
guidelines = "https://voorbeeld.nl/?a='onmouseover=alert(1)&b"
[fill]
meldpunt = {hostile}
contact = {hostile}
[service.chatgpt]
status = "uncontracted"
alternative = {hostile}
"""
    with served(tmp_path, policy) as page:
        agent = page.agent
        chatgpt = msgspec.structs.replace(agent.rules.services["chatgpt"], name=HOSTILE, vendor=HOSTILE)
        agent.rules = msgspec.structs.replace(agent.rules, services={**agent.rules.services, "chatgpt": chatgpt})
        agent.use("chatgpt", Kind.VISIT)
        agent.problems = (HOSTILE,)
        agent.demoted = {"duck.ai": HOSTILE}
        shown = reminder("chatgpt", Context.CHAT, HOSTILE)
        agent.remind(msgspec.structs.replace(shown, message=HOSTILE, source=HOSTILE))
        bodies = [page.ask(f"/{language}/{slug}")[2] for language in languages() for slug in SLUGS]
        assert all("<script>" not in body and "alert('1')" not in body for body in bodies)
        assert all("&lt;script&gt;alert(&#39;1&#39;)" in body for body in bodies)


def test_the_organisations_theme_comes_last_and_fresh(page: Served) -> None:
    theme = page.agent.config / "theme.css"
    assert page.ask("/static/organisation.css")[0] == 404
    assert "organisation.css" not in page.ask("/nl/")[2]
    for text in (":root { --bewust-accent: purple }", ":root { --bewust-accent: teal }"):
        theme.write_text(text, encoding="utf-8")
        status, headers, body = page.ask("/static/organisation.css")
        assert (status, body) == (200, text) and headers["content-type"].startswith("text/css")
    sheets = re.findall(r'href="/static/(\w+\.css)"', page.ask("/nl/")[2])
    assert sheets[-1] == "organisation.css" and sheets.index("theme.css") < len(sheets) - 1
    theme.write_text("/*" + "x" * THEME_LIMIT + "*/", encoding="utf-8")
    assert page.ask("/static/organisation.css")[0] == 404


def test_without_a_folder_of_the_organisation_there_is_no_theme(page: Served) -> None:
    page.agent.rules = msgspec.structs.replace(page.agent.rules, folder=None)
    assert page.ask("/static/organisation.css")[0] == 404 and page.ask("/nl/")[0] == 200


@pytest.mark.parametrize("name", ["nlds.css", "theme.css", "page.css", "copy.js", "icon.svg"])
def test_our_own_files_come_from_here_and_ask_nobody_else(page: Served, name: str) -> None:
    status, headers, body = page.ask(f"/static/{name}")
    assert status == 200 and headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"@import|url\(|https?://(?!www\.w3\.org/2000/svg)", body)


# Files and figures of the agent.


def test_status_and_counts_need_the_token(page: Served) -> None:
    for path in ("/status.json", "/counts.json"):
        assert page.ask(path)[0] == 403
        assert page.ask(path, Authorization="Bearer é".encode().decode("latin-1"))[0] == 403
        status, _, body = page.ask(path, Authorization=f"Bearer {page.agent.token}")
        assert status == 200 and json.loads(body)


def test_the_pac_is_served_as_one(page: Served) -> None:
    status, headers, body = page.ask("/proxy.pac")
    assert status == 200 and headers["content-type"].startswith("application/x-ns-proxy-autoconfig")
    assert f"PROXY 127.0.0.1:{page.agent.port}; DIRECT" in body


def test_the_pac_costs_no_look_at_anything_else(page: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every browser asks for it now and then, at each start and after each change of the network."""

    def never(*asked: object) -> None:
        raise AssertionError

    for costly in ("status", "counts", "contents", "login"):
        monkeypatch.setattr(page.agent, costly, never)
    assert page.ask("/proxy.pac")[0] == 200


def test_a_pause_is_for_who_has_the_token_and_shows_everywhere(page: Served) -> None:
    bearer = f"Bearer {page.agent.token}"
    assert page.ask("/pause?seconds=60", "POST")[0] == 403
    assert page.ask("/pause?seconds=60", Authorization=bearer)[0] == 405
    assert page.agent.stopped == ""
    status, _, body = page.ask("/pause?seconds=3600", "POST", Authorization=bearer)
    assert (status, json.loads(body)["stopped"]) == (200, "paused")
    assert "staat stil tot" in page.ask("/nl/")[2]
    pac = page.ask("/proxy.pac")[2]
    assert answer(pac, "chatgpt.com") == answer(pac, "www.google.nl") == "DIRECT"
    for nothing in ("0", "", "-5", "1e9", "9" * 40):
        assert json.loads(page.ask(f"/pause?seconds={nothing}", "POST", Authorization=bearer)[2])["stopped"] == ""
    page.agent.stopped = "off"
    assert "Een beheerder heeft Bewust uitgezet" in page.ask("/nl/")[2]


def test_several_requests_on_one_connection_are_answered_in_turn(page: Served) -> None:
    async def main() -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", page.agent.port)
        one = b"GET /proxy.pac HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        writer.write(one + b"\r\n" + one + b"Connection: close\r\n\r\n")
        answers = (await asyncio.wait_for(reader.read(), 10)).count(b"HTTP/1.1 200")
        writer.close()
        return answers

    assert asyncio.run(main()) == 2


def test_new_rules_are_shown_at_once(page: Served, tmp_path: Path) -> None:
    assert "Gemeente Voorbeeld" in page.ask("/nl/rules")[2]
    page.agent.rules = Fake(tmp_path / "other", "[page]\norganisation = 'Provincie Proef'").rules
    assert "Provincie Proef bepaalt" in page.ask("/nl/rules")[2]


def test_no_page_says_where_anything_is_on_the_disk(page: Served, tmp_path: Path) -> None:
    busy(page.agent)
    rules = page.agent.rules
    release = msgspec.structs.replace(rules.policy.release, folder=str(tmp_path / "share"))
    page.agent.rules = msgspec.structs.replace(
        rules, policy=msgspec.structs.replace(rules.policy, release=release), problem=f"{tmp_path}/policy.toml: wrong"
    )
    bodies = [unquote(page.ask(f"/nl/{slug}")[2]) for slug in SLUGS]
    assert not any(str(tmp_path) in body for body in bodies)
    assert any("Na de periode gaat er één bericht naar uw organisatie" in body for body in bodies)


@pytest.mark.parametrize("language", languages())
def test_whether_a_manager_can_see_it_is_answered_for_this_policy(page: Served, language: str) -> None:
    words, rules = languages()[language], page.agent.rules
    said = html.unescape(page.ask(f"/{language}/")[2])
    for key in ("manager.heading", "manager.no", "manager.nothing", "manager.local", "kept.admin", "manager.screen"):
        assert words(key) in said, key
    assert words("manager.sender") not in said and words("manager.split") not in said
    release = msgspec.structs.replace(rules.policy.release, folder="/share")
    policy = msgspec.structs.replace(rules.policy, release=release, mechanism="split")
    page.agent.rules = msgspec.structs.replace(rules, policy=policy)
    said = html.unescape(page.ask(f"/{language}/")[2])
    assert words("manager.sender") in said and words("manager.split") in said
    assert words("manager.nothing") not in said and words("manager.local") not in said


@pytest.mark.parametrize("slug", ["", "kept", "unseen", "rules"])
def test_each_cell_of_a_table_says_the_head_of_its_column(page: Served, slug: str) -> None:
    """On a narrow screen the heads are not to be seen."""
    busy(page.agent)
    body = page.ask(f"/nl/{slug}")[2]
    assert "<td" in body
    for table in re.findall(r"<table.*?</table>", body, re.DOTALL):
        heads = re.findall(r'role="columnheader" scope="col">(.*?)</th>', table)
        for row in re.findall(r"<tr.*?</tr>", table.split("</thead>")[1], re.DOTALL):
            assert re.findall(r'data-of="(.*?)"', row) == heads[1:]
