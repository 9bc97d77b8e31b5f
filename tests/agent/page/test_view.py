"""What may be shown to whom, and the names that several pages use."""

from pathlib import Path

import msgspec
import pytest

from bewust.page.shown import Login
from bewust.page.view import soft_hyphenate
from support.pages import WHO, Fake, view


@pytest.mark.parametrize(
    ("person", "allowed", "alone", "may_delete"),
    [
        (None, True, False, False),
        (Login(WHO), True, False, False),
        (Login(WHO, alone=True), True, True, True),
        (Login(WHO, alone=True), False, True, False),
    ],
)
def test_counts_are_for_who_is_alone_and_deleting_for_whom_the_policy_lets(
    tmp_path: Path, person: Login | None, allowed: bool, alone: bool, may_delete: bool
) -> None:
    agent = Fake(tmp_path, f"[page]\ndelete = {str(allowed).lower()}")
    agent.person = person
    seen = view(agent)
    assert (seen.single_user, seen.may_delete) == (alone, may_delete)


def test_sources_are_spelled_out_whatever_parts_them(tmp_path: Path) -> None:
    seen = view(Fake(tmp_path))
    assert seen.sources("VNG AP") == ["VNG (Vereniging van Nederlandse Gemeenten)", "AP (Autoriteit Persoonsgegevens)"]
    assert seen.sources("EC eTranslation, VNG")[0].startswith("eTranslation (")
    assert seen.sources("AI Act, AP CA FR")[0].startswith("AI-verordening") and len(seen.sources("AI Act, AP CA")) == 3
    assert seen.sources("Onze eigen richtlijn")[0] == "Onze"  # an organisation's own source is shown as it is
    assert seen.sources("") == []


def test_every_source_of_our_texts_is_spelled_out(tmp_path: Path) -> None:
    seen = view(Fake(tmp_path))
    for text in seen.agent.rules.texts.text:
        for name in seen.sources(text.source):
            assert " " in name or "(" in name, f"{text.id}: {name}"


def test_a_service_that_left_the_catalogue_keeps_its_id(tmp_path: Path) -> None:
    seen = view(Fake(tmp_path))
    assert (seen.name("long-gone"), seen.name("google-ai-overview")) == ("long-gone", "Google Zoeken")
    assert view(Fake(tmp_path), "en").name("google-ai-overview") == "Google Search"


def test_a_period_has_its_days(tmp_path: Path) -> None:
    seen = view(Fake(tmp_path))
    assert seen.period("2026-P12") == "periode 12 van 2026 (2 november 2026 tot en met 29 november 2026)"
    assert seen.period("2026-W47") == "week 47 van 2026 (16 november 2026 tot en met 22 november 2026)"
    assert (seen.length("2026-P12"), seen.length("2026-W47")) == ("vier weken", "één week")


def test_depth_follows_the_policy(tmp_path: Path) -> None:
    seen = view(Fake(tmp_path, '[service.google-ai-overview]\ndepth = "name"'))
    services = seen.agent.rules.services
    assert seen.depth(services["chatgpt"]) == "name"
    assert seen.depth(services["edge-translate"]) == "into"
    assert seen.depth(services["google-ai-overview"]) == "unseen"  # its host has a name only for searching
    nothing = msgspec.structs.replace(services["chatgpt"], signatures=())
    assert seen.depth(nothing) == "unseen"


def test_whether_mail_and_the_intranet_are_looked_into_follows_the_policy(tmp_path: Path) -> None:
    seen = view(Fake(tmp_path))
    assert seen.mail_apart and seen.intranet_apart
    assert not view(Fake(tmp_path, 'inspected_hosts = ["mail.google.com"]')).mail_apart
    assert not view(Fake(tmp_path, '[service.m365-copilot]\ndepth = "response"')).mail_apart
    own = 'internal_hosts = ["voorbeeld.nl"]\ninspected_hosts = ["intranet.voorbeeld.nl"]'
    assert not view(Fake(tmp_path, own)).intranet_apart


def test_the_name_of_a_site_breaks_after_dots_and_hyphens_and_stays_text() -> None:
    assert soft_hyphenate("api-edge.example") == "api-<wbr>edge.<wbr>example"
    assert soft_hyphenate("<b>.example") == "&lt;b&gt;.<wbr>example"
