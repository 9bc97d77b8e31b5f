"""The shipped catalogue and policy are whole, and what is decrypted changes only on purpose."""

import re
from collections import Counter
from datetime import date
from importlib.resources import files

import pytest

from bewust.catalogue import loading
from bewust.catalogue.matching import Matcher, compile_services
from bewust.config import policy
from bewust.model import Context, Depth, Level, Service

SERVICES = loading.load()
each_service = pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.id)


def matcher(countries: tuple[str, ...] | None = None) -> Matcher:
    rules = policy.load()
    return rules.compiled(loading.load(None, countries or rules.countries))


SERVICES_AT_LEAST = 490
FILES = {file.name.removesuffix(".toml") for file in files("bewust_config").joinpath("services").iterdir()}


def test_there_are_as_many_services_as_there_were_and_every_context_has_some() -> None:
    assert len(SERVICES) >= SERVICES_AT_LEAST
    assert {service.context for service in SERVICES} == set(Context)


def test_there_is_a_file_a_vendor_and_its_services_are_sorted() -> None:
    by_file: dict[str, list[Service]] = {}
    for service in SERVICES:
        by_file.setdefault(service.signatures[0].file, []).append(service)
    assert {file.removesuffix(".toml") for file in by_file} == FILES
    assert [file for file, found in by_file.items() if len({s.vendor for s in found}) > 1] == []
    vendors = Counter(found[0].vendor for found in by_file.values())
    assert [vendor for vendor, count in vendors.items() if count > 1] == []
    for file, found in by_file.items():
        text = files("bewust_config").joinpath("services", file).read_text(encoding="utf-8")
        ids = re.findall(r'^id = "(.+)"', text, re.MULTILINE)
        assert ids == sorted(ids) == [service.id for service in found]


def test_an_old_name_is_no_other_services_id() -> None:
    ids = {service.id for service in SERVICES}
    for service in SERVICES:
        assert len(set(service.aliases)) == len(service.aliases)
        assert not set(service.aliases) & ids, service.id


@each_service
def test_a_service_says_where_its_rules_come_from_and_when_they_were_reviewed(service: Service) -> None:
    assert len(service.evidence) >= 30
    assert service.evidence.endswith(".")
    assert date(2026, 1, 1) <= date.fromisoformat(service.reviewed)


HOUSEKEEPING_ONLY = {"chrome-on-device", "firefox-on-device"}  # known, so as to be passed over


@each_service
def test_a_service_counts_something_and_names_where_each_rule_is_written(service: Service) -> None:
    assert service.counts is (service.id not in HOUSEKEEPING_ONLY)
    for signature in service.signatures:
        lines = files("bewust_config").joinpath("services", signature.file).read_text(encoding="utf-8").splitlines()
        assert lines[signature.line - 1].strip() == "[[service.signature]]"
        assert lines[signature.line].strip() == f'id = "{signature.id}"'


# What no name of its own proves: its hosts serve other things too.
WITHOUT_A_NAME = {"bing-translator", "openai-compatible", "vertex-ai"}
# Embedded, but on hosts that serve nothing else, so that the name is enough where nobody looks deeper.
NAMED_THOUGH_EMBEDDED = {
    "adobe-firefly", "apple-intelligence", "baidu-ai-search", "brave-leo", "cursor", "gemini-code-assist",
    "github-copilot", "grammarly", "jetbrains-ai", "m365-copilot", "opera-aria", "windsurf",
}  # fmt: skip


@each_service
def test_what_is_chosen_has_a_name_and_what_is_embedded_has_none(service: Service) -> None:
    """An embedded service lives on hosts of something else, which a person may visit without any AI."""
    visits = [signature for signature in service.signatures if signature.level is Level.VISIT]
    named = any(signature.depth is Depth.NAME for signature in visits) or service.id == "huggingchat"
    if service.id not in HOUSEKEEPING_ONLY | WITHOUT_A_NAME:
        assert named is (not service.embedded or service.id in NAMED_THOUGH_EMBEDDED)


@each_service
def test_what_is_embedded_and_known_by_name_is_not_looked_into(service: Service) -> None:
    if service.id in NAMED_THOUGH_EMBEDDED:
        assert policy.load().depth_of(service) is Depth.NAME


def test_exactly_these_names_are_decrypted() -> None:
    """Each is a promise in the DPIA and a constraint of the authority: a change here is a decision."""
    assert matcher().decrypted_hosts() == (
        "*.translate.goog",
        "api-edge.cognitive.microsofttranslator.com",
        "api.ecosia.org",
        "api.interpreter.caiyunai.com",
        "api2.immersivetranslate.com",
        "api2.imtintl.com",
        "browser.translate.yandex.net",
        "clients5.google.com",
        "cn.bing.com",
        "deepl.immersivetranslate.com",
        "designerapp.officeapps.live.com",
        "duck.ai",
        "duckduckgo.com",
        "edge.microsoft.com",
        "edgeservices.bing.com",
        "kagi.com",
        "oneshot-free.www.deepl.com",
        "search.brave.com",
        "search.yahoo.com",
        "sydney.bing.com",
        "translate-pa.googleapis.com",
        "translate.googleapis.com",
        "translate.volcengine.com",
        "translate.yandex.com",
        "translate.yandex.net",
        "translate.yandex.ru",
        "translated.turbopages.org",
        "www.bing.com",
        "www.ecosia.org",
        "www.google.be",
        "www.google.com",
        "www.google.de",
        "www.google.fr",
        "www.google.nl",
        "www.mojeek.com",
    )


@pytest.mark.parametrize(
    "host",
    [
        "substrate.office.com", "www.linkedin.com", "x.com", "www.notion.so", "github.com", "ya.ru",
        "appsgenaiserver-pa.clients6.google.com", "optimizationguide-pa.googleapis.com", "content-push.googleapis.com",
        "huggingface.co", "www.gstatic.com", "lens.google.com", "api.github.com",
        "firefox.settings.services.mozilla.com",
    ],
)  # fmt: skip
def test_hosts_that_carry_something_else_are_not_even_routed(host: str) -> None:
    assert matcher().host_rules(host) is None


@pytest.mark.parametrize(
    "host",
    [
        "chatgpt.com", "claude.ai", "gemini.google.com", "copilot.microsoft.com", "chat.mistral.ai",
        "www.perplexity.ai",
        "www.deepl.com", "translate.google.nl", "api.individual.githubcopilot.com", "copilot.cloud.microsoft",
        "otter.ai",
    ],
)  # fmt: skip
def test_what_is_chosen_is_known_by_name(host: str) -> None:
    plan = matcher().host_rules(host)
    assert plan is not None
    assert plan.depth is Depth.NAME


def test_the_authority_is_constrained_to_at_most_150_names() -> None:
    assert len(matcher().decrypted_hosts()) <= 150


LOGIN = ("account", "auth", "login", "signin", "sso", "idp", "oauth", "id")


@pytest.mark.parametrize("depth", list(Depth), ids=lambda depth: depth.name.lower())
def test_no_login_host_is_ever_routed(depth: Depth) -> None:
    hosts = compile_services(loading.load(), lambda service: depth).hosts(*Depth)
    assert len(hosts) > 10
    labels = {label.rstrip("s") for host in hosts for label in host.split(".")}
    assert labels & {word.rstrip("s") for word in LOGIN} == set()


@pytest.mark.parametrize(
    "login", ["accounts.google.com", "login.microsoftonline.com", "login.live.com", "auth.openai.com"]
)
def test_the_well_known_login_hosts_are_never_seen(login: str) -> None:
    everything = compile_services(loading.load(None, policy.every_country()), lambda service: Depth.RESPONSE)
    assert everything.find(login) is None


def test_every_country_can_be_expanded_and_the_default_ones_are_among_them() -> None:
    every = policy.every_country()
    assert len(every) == len(set(every)) > 150
    assert set(loading.DEFAULT_COUNTRIES) == set(policy.load().countries) <= set(every)
    assert "www.google.co.uk" in matcher(tuple(every)).hosts(Depth.RESPONSE)
