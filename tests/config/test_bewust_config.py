"""The shipped catalogue and policy are whole, and what is decrypted changes only on purpose."""

from collections import Counter
from datetime import date
from importlib.resources import files

import pytest

from bewust import catalogue, policy, routing
from bewust.matching import Matcher, compile_services
from bewust.model import Depth, Level, Service

SERVICES = catalogue.load()
each_service = pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.id)


def matcher(countries: tuple[str, ...] | None = None) -> Matcher:
    rules = policy.load()
    return compile_services(catalogue.load(None, countries or rules.countries), rules.depth_of)


def test_the_shipped_services_are_these() -> None:
    assert [service.id for service in SERVICES] == [
        "bing-copilot-search", "brave-answer", "chatgpt", "chrome-translate", "claude", "copilot", "deepl", "duck-ai",
        "duckduckgo-search-assist", "edge-translate", "gemini", "google-ai-mode", "google-ai-overview",
        "google-site-translate", "google-translate", "mistral-le-chat", "perplexity",
    ]  # fmt: skip


def test_an_id_or_an_old_name_means_one_service() -> None:
    names = Counter(name for service in SERVICES for name in (service.id, *service.aliases))
    assert [name for name, count in names.items() if count > 1] == []


@each_service
def test_a_service_says_where_its_rules_come_from_and_when_they_were_reviewed(service: Service) -> None:
    assert len(service.evidence) > 40
    assert service.evidence.endswith(".")
    assert date(2026, 1, 1) <= date.fromisoformat(service.reviewed)


@each_service
def test_a_service_counts_something_and_names_where_each_rule_is_written(service: Service) -> None:
    assert {signature.level for signature in service.signatures} & {Level.USE, Level.VISIT}
    for signature in service.signatures:
        lines = files("bewust_config").joinpath("services", signature.file).read_text(encoding="utf-8").splitlines()
        assert lines[signature.line - 1].strip() == "[[service.signature]]"
        assert lines[signature.line].strip() == f'id = "{signature.id}"'


@each_service
def test_what_is_known_by_name_has_a_name_and_what_is_embedded_has_none(service: Service) -> None:
    """An embedded service lives on hosts of something else, which a person may visit without any AI."""
    visits = [signature for signature in service.signatures if signature.level is Level.VISIT]
    assert bool(visits) is not service.embedded
    assert all(signature.depth is Depth.NAME for signature in visits)


def test_exactly_these_names_are_decrypted() -> None:
    """Each is a promise in the DPIA and a constraint of the authority: a change here is a decision."""
    assert routing.decrypt_list(matcher()) == (
        "*.translate.goog",
        "api-edge.cognitive.microsofttranslator.com",
        "clients5.google.com",
        "cn.bing.com",
        "duck.ai",
        "duckduckgo.com",
        "edge.microsoft.com",
        "search.brave.com",
        "translate-pa.googleapis.com",
        "translate.googleapis.com",
        "www.bing.com",
        "www.google.be",
        "www.google.com",
        "www.google.de",
        "www.google.fr",
        "www.google.nl",
    )


def test_exactly_these_names_are_tunnelled_and_known_by_name() -> None:
    assert matcher().hosts(Depth.NAME) == (
        "chat.mistral.ai",
        "chat.openai.com",
        "chatgpt.com",
        "claude.ai",
        "copilot.com",
        "copilot.microsoft.com",
        "gemini.google.com",
        "translate.google.be",
        "translate.google.com",
        "translate.google.de",
        "translate.google.fr",
        "translate.google.nl",
        "www.deepl.com",
        "www.perplexity.ai",
    )


def test_the_authority_is_constrained_to_at_most_150_names() -> None:
    assert len(routing.decrypt_list(matcher())) <= 150


LOGIN = ("account", "auth", "login", "signin", "sso", "idp", "oauth", "id")


@pytest.mark.parametrize("depth", list(Depth), ids=lambda depth: depth.name.lower())
def test_no_login_host_is_ever_routed(depth: Depth) -> None:
    hosts = compile_services(catalogue.load(), lambda service: depth).hosts(*Depth)
    assert len(hosts) > 10
    labels = {label.rstrip("s") for host in hosts for label in host.split(".")}
    assert labels & {word.rstrip("s") for word in LOGIN} == set()


@pytest.mark.parametrize(
    "login", ["accounts.google.com", "login.microsoftonline.com", "login.live.com", "auth.openai.com"]
)
def test_the_well_known_login_hosts_are_never_seen(login: str) -> None:
    everything = compile_services(catalogue.load(None, policy.every_country()), lambda service: Depth.RESPONSE)
    assert everything.find(login) is None


def test_every_country_can_be_expanded_and_the_default_ones_are_among_them() -> None:
    every = policy.every_country()
    assert len(every) == len(set(every)) > 150
    assert set(catalogue.DEFAULT_COUNTRIES) == set(policy.load().countries) <= set(every)
    assert "www.google.co.uk" in matcher(tuple(every)).hosts(Depth.RESPONSE)
