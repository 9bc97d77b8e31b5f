"""The page in real browsers: every page and every button, with nothing that shuts anybody out.

axe-core (tests/e2e/axe, vendored by dev/nlds) looks at each page in both browsers; what it cannot see
is tried by hand here: the keyboard, 320 px, twice the size of text, no script, no other host.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Locator
from playwright.sync_api import Page as Tab

from bewust.model import Context
from bewust.page.shown import Login
from bewust.page.words import languages
from e2e.chromium import Chromium
from e2e.firefox import Firefox
from support.accessibility import AXE, OVERFLOW, RUN_AXE, axe
from support.pages import WHO, Served, busy, served

SHOTS = Path(__file__).parents[2] / "artefacts" / "page"
SLUGS = ("", "why", "oops", "kept", "kept/delete", "unseen", "rules", "nowhere")
PATHS = [f"/{language}/{slug}" for language in languages() for slug in SLUGS]
# What is cut off or lies over its neighbour, and what lies outside the window.
CUT = """[...document.querySelectorAll("td, tbody th")].filter(one => one.checkVisibility()).filter(one =>
    one.scrollHeight > one.clientHeight + 1 || one.scrollWidth > one.clientWidth + 1 ||
    one.getBoundingClientRect().right > innerWidth).map(one => one.textContent)"""
OPEN_ALL = "document.querySelectorAll('details').forEach(one => { one.open = true })"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("agent")) as page:
        yield page


@pytest.fixture(autouse=True)
def _as_it_was(here: Served) -> None:
    """Each test finds something in every part of every page, and one snooze."""
    here.agent.forget()
    here.agent.inspector, here.agent.problems = "running", ()
    busy(here.agent)
    here.agent.snooze(WHO, "hour", Context.SEARCH)
    here.agent.asked.clear()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with Chromium(tmp_path_factory.mktemp("home")) as browser:
        yield browser


@pytest.fixture
def tab(chromium: Chromium) -> Iterator[Tab]:
    page = chromium._browser.new_page()  # a context of its own for each test
    page.set_default_timeout(5000)
    yield page
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_chromium(here: Served, tab: Tab, scheme: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    tab.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    for path in PATHS:
        tab.goto(here.url + path)
        name = path.strip("/").replace("/", "-")
        tab.screenshot(path=str(SHOTS / f"{name}-{scheme}.png"), full_page=True)
        tab.evaluate(OPEN_ALL)
        assert not axe(tab), path


def test_axe_and_320_pixels_without_scrolling_sideways(here: Served, tab: Tab) -> None:
    tab.set_viewport_size({"width": 320, "height": 800})
    for path in PATHS:
        tab.goto(here.url + path)
        name = path.strip("/").replace("/", "-")
        tab.screenshot(path=str(SHOTS / f"{name}-narrow.png"), full_page=True)
        tab.evaluate(OPEN_ALL)
        assert tab.evaluate(OVERFLOW) <= 0, path
        assert not tab.evaluate(CUT), path
        assert not axe(tab), path


@pytest.mark.parametrize("person", [None, Login(WHO), Login(WHO, alone=True)], ids=["nobody", "beside others", "new"])
def test_axe_finds_nothing_on_pages_that_have_little_to_show(here: Served, tab: Tab, person: Login | None) -> None:
    here.agent.forget()
    here.agent.person, here.agent.inspector, here.agent.problems = person, "down", ("a message " + "x" * 90,)
    tab.set_viewport_size({"width": 320, "height": 800})
    for path in PATHS[len(SLUGS) :]:  # one language: what differs is not the words
        tab.goto(here.url + path)
        assert tab.evaluate(OVERFLOW) <= 0, path
        assert not axe(tab), path


def test_twice_the_size_of_text_fits(here: Served, tab: Tab) -> None:
    tab.set_viewport_size({"width": 640, "height": 800})  # 1280 at 200 %
    for path in PATHS:
        tab.goto(here.url + path)
        assert tab.evaluate(OVERFLOW) <= 0, path
        tab.evaluate("document.documentElement.style.fontSize = '200%'")  # text alone, as browsers can too
        tab.evaluate(OPEN_ALL)
        assert tab.evaluate(OVERFLOW) <= 0, path


def test_axe_finds_nothing_in_firefox_and_its_buttons_work(here: Served, tmp_path: Path) -> None:
    with Firefox(tmp_path / "profile") as browser:
        for path in PATHS:
            browser.goto(here.url + path)
            browser.evaluate(f"(() => {{ {OPEN_ALL}; }})()")
            browser.run(AXE.read_text(encoding="utf-8"))
            assert not browser.evaluate(RUN_AXE), path
        for language in languages():
            browser.goto(f"{here.url}/{language}/")
            browser.submit("form:has([name=span][value=today])")
            browser.goto(f"{here.url}/{language}/kept/delete")
            browser.submit("main form")
            assert browser.evaluate("location.pathname") == f"/{language}/kept"
    assert here.agent.asked == [(WHO, "today", None), "forget"] * len(languages())


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_every_page_and_every_button(here: Served, chromium: Chromium, language: str, scripts: bool) -> None:
    context = chromium._browser.new_context(java_script_enabled=scripts)
    tab = context.new_page()
    tab.set_default_timeout(5000)
    words = languages()[language]
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    wrong: list[str] = []
    tab.on("console", lambda message: wrong.append(message.text))
    tab.goto(here.url + f"/{language}/")
    for slug in ("why", "kept", "unseen", "rules", "now"):
        press(tab, tab.get_by_role("navigation", name=words("site.nav")).get_by_role("link", name=words(f"nav.{slug}")))
        assert tab.title().startswith(words(f"nav.{slug}"))
        assert tab.locator("html").get_attribute("lang") == language
    snooze(tab, here, language)
    tab.goto(here.url + f"/{language}/why")
    press(tab, tab.get_by_role("link", name=words("why.oops")))
    assert words("oops.nothing") in tab.inner_text("main")
    assert tab.get_by_role("button", name=words("why.copy")).count() == scripts
    press(tab, tab.get_by_role("link", name=words("oops.back")))
    delete(tab, here, language)
    for other in languages():
        if other != language:
            press(tab, tab.get_by_role("link", name=languages()[other].form.name))
            assert urlsplit(tab.url).path == f"/{other}/kept"
    assert {urlsplit(url).netloc for url in asked} == {urlsplit(here.url).netloc}
    assert not wrong  # the browser would say so if its policy had refused something of ours
    context.close()


def press(tab: Tab, target: Locator) -> None:
    """Press a link or a button, and wait for the page after it: a click alone does not."""
    with tab.expect_navigation():
        target.click()


def snooze(tab: Tab, here: Served, language: str) -> None:
    """Press each button about reminders, and see that the page says what holds."""
    words = languages()[language]
    press(tab, tab.get_by_role("button", name=words("snooze.end_for", what=words("context.search"))))
    assert words("snooze.none") in tab.inner_text("main")
    for span in ("hour", "today"):
        press(tab, tab.get_by_role("button", name=words(f"snooze.{span}")))
        assert words("snooze.all") in tab.inner_text(".snoozed")
    tab.get_by_label(words("snooze.which")).select_option("translation")
    press(tab, tab.get_by_role("button", name=words("snooze.week")))
    assert words("context.translation") in " ".join(tab.locator(".snoozed").all_inner_texts())
    assert urlsplit(tab.url).fragment == "snooze"
    expected = [("end", Context.SEARCH), ("hour", None), ("today", None), ("week", Context.TRANSLATION)]
    assert here.agent.asked == [(WHO, *one) for one in expected]


def delete(tab: Tab, here: Served, language: str) -> None:
    """Turn back once, then delete."""
    words = languages()[language]
    here.agent.asked.clear()
    tab.goto(here.url + f"/{language}/kept")
    press(tab, tab.get_by_role("link", name=words("kept.delete")))
    press(tab, tab.get_by_role("link", name=words("delete.no")))
    assert not here.agent.asked
    press(tab, tab.get_by_role("link", name=words("kept.delete")))
    press(tab, tab.get_by_role("button", name=words("delete.yes")))
    assert here.agent.asked == ["forget"]
    assert words("kept.none", cells="").split(".")[0] in tab.inner_text("main")


def test_the_button_that_copies(here: Served, chromium: Chromium) -> None:
    context = chromium._browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    tab = context.new_page()
    words = languages()["nl"]
    tab.goto(here.url + "/nl/why")
    tab.get_by_role("button", name=words("why.copy")).click()
    tab.get_by_text(words("why.copied"), exact=True).wait_for(timeout=5000)
    assert tab.evaluate("navigator.clipboard.readText()") == words("why.disclose")
    tab.goto(here.url + "/nl/oops")
    tab.get_by_role("button", name=words("why.copy")).click()
    tab.get_by_text(words("why.copied"), exact=True).wait_for(timeout=5000)
    copied = tab.evaluate("navigator.clipboard.readText()")
    assert words("oops.subject") in copied and words("oops.body") in copied.replace("\r", "")
    context.close()


def test_the_keyboard_reaches_everything_and_shows_where_it_is(here: Served, tab: Tab) -> None:
    tab.goto(here.url + "/nl/")
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.textContent") == languages()["nl"]("site.skip")
    assert tab.evaluate("document.activeElement.getBoundingClientRect().top") >= 0  # it came into sight
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.activeElement.id") == "content"
    tab.goto(here.url + "/nl/")
    # Where more than one thing can be reached with a key, the browser goes past what is hidden itself.
    reachable = tab.evaluate("""[...document.querySelectorAll('a[href], button, select, summary, [tabindex="0"]')]
        .filter(one => one.checkVisibility()).length""")
    reached = 0
    for _ in range(reachable):
        tab.keyboard.press("Tab")
        reached += tab.evaluate("""(() => { const one = document.activeElement;
            if (one === document.body || one.dataset.reached) return 0;
            one.dataset.reached = 1;
            const style = getComputedStyle(one);
            return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 ? 1 : 0; })()""")
    assert reached == reachable
    tab.goto(here.url + "/nl/")
    tab.get_by_role("button", name=languages()["nl"]("snooze.today")).focus()
    with tab.expect_navigation():
        tab.keyboard.press("Enter")
    assert here.agent.asked == [(WHO, "today", None)]


def test_targets_are_large_enough_and_nothing_moves(here: Served, tab: Tab) -> None:
    tab.emulate_media(reduced_motion="reduce")
    for path in PATHS:
        tab.goto(here.url + path)
        small = tab.evaluate("""[...document.querySelectorAll('button, select, summary, nav a')]
            .filter(one => one.checkVisibility()).map(one => [one.textContent.trim(), one.getBoundingClientRect()])
            .filter(([_, box]) => box.height < 24 || box.width < 24).map(([words]) => words)""")
        assert not small, path
        moving = tab.evaluate("""[...document.querySelectorAll('*')].map(one => getComputedStyle(one)).some(
            s => parseFloat(s.transitionDuration) || s.animationName !== "none" || s.scrollBehavior === "smooth")""")
        assert not moving, path


def test_forced_colors_leave_the_chart_and_the_place_in_the_menu_to_be_seen(here: Served, tab: Tab) -> None:
    tab.emulate_media(forced_colors="active")
    tab.goto(here.url + "/nl/kept")
    part, whole = (tab.locator(f".chart__{one}").first.evaluate("one => getComputedStyle(one).fill") for one in
                   ("part", "whole"))  # fmt: skip
    assert part != whole
    line = "one => getComputedStyle(one).borderBlockEndColor"
    now, other = tab.locator("[aria-current=page]"), tab.locator(".utrecht-nav-list__link:not([aria-current])").first
    assert now.evaluate(line) != other.evaluate(line)


def test_the_organisations_theme_is_what_people_see(here: Served, tab: Tab) -> None:
    theme = here.agent.config / "theme.css"
    theme.write_text(":root { --bewust-accent: rgb(90, 0, 90) }", encoding="utf-8")
    try:
        tab.goto(here.url + "/nl/why")
        button = tab.get_by_role("link", name=languages()["nl"]("why.oops"))
        assert button.evaluate("one => getComputedStyle(one).backgroundColor") == "rgb(90, 0, 90)"
    finally:
        os.unlink(theme)


def test_hosts_and_fingerprints_are_whole(here: Served, tab: Tab) -> None:
    """Nobody can compare a fingerprint of which a part was cut away."""
    tab.set_viewport_size({"width": 320, "height": 800})
    tab.goto(here.url + "/nl/")
    shown = re.sub(r"\s", "", tab.inner_text(".fingerprint"))
    assert shown == here.agent.status().authority_fingerprint
    assert "api-edge.cognitive.microsofttranslator.com" in re.sub(r"\s", " ", tab.inner_text("main"))
