"""The newest period is chosen, the large services are picked, and there is something to do about each."""

import re

from bewust.catalogue import loading
from bewust.config.policy import Decision, Policy
from bewust.fleet import findings
from bewust.fleet.findings import Fact, lever, levers
from bewust.model import Context, Status
from support.fleets import HEADLINES, cell, found

SHIPPED = {service.id: service for service in loading.load()}


def test_editions_are_in_order_of_their_last_day_whatever_the_mechanism() -> None:
    cells = [cell(period=p, mechanism=m) for p, m in
             [("2026-P12", "local"), ("2026-W47", "split"), ("2025-W52", "split"), ("2026-P01", "local")]]  # fmt: skip
    assert [period for period, _ in found(*cells).editions] == ["2025-W52", "2026-P01", "2026-W47", "2026-P12"]


def test_cells_come_the_largest_first_and_those_too_uncertain_last_without_telling_their_order() -> None:
    cells = [cell(name=n, estimate=e, usable=u) for n, e, u in
             [("a", 1.0, True), ("b", 3.0, True), ("d", 9.0, False), ("c", 2.0, False)]]  # fmt: skip
    ordered = found(*cells).of(("2026-W47", "split"), "service", "0123456789ab")
    assert [each.cell for each in ordered] == ["b", "a", "c", "d"]


def test_large_is_what_is_certain_and_common() -> None:
    cells = [cell(name="chatgpt", estimate=51.0), cell(name="deepl", estimate=49.0), cell(name="claude", usable=False),
             cell(name="other")]  # fmt: skip
    large = found(*cells).large(("2026-W47", "split"), "0123456789ab")
    assert [each.cell for each in large] == ["chatgpt"]


def test_the_epsilon_of_a_report_is_the_sum_of_its_blocks() -> None:
    cells = [cell(name="chatgpt", epsilon=0.5), cell(name="deepl", epsilon=0.5), *HEADLINES]
    assert found(*cells).epsilon(("2026-W47", "split")) == 2.0


def test_facts_come_from_catalogue_and_policy() -> None:
    rules = Policy(service={"chatgpt": Decision(status=Status.UNCONTRACTED, alternative="ours")})
    facts = findings.facts(SHIPPED.values(), rules)
    assert facts["chatgpt"] == Fact("ChatGPT", "chat", "chosen", "uncontracted", "ours")
    assert facts["google-ai-overview"].origin == "embedded"
    assert findings.grouping(facts)["chatgpt"] == {"context": "chat", "origin": "chosen", "status": "uncontracted"}


def test_a_service_that_left_the_catalogue_is_called_by_its_id() -> None:
    assert found().fact("gone").name == "gone"


def test_domains_come_the_largest_first() -> None:
    cells = [cell(domain="a" * 12, n_reports=10), cell(domain="b" * 12, n_reports=20), *HEADLINES]
    assert found(*cells).domains(("2026-W47", "split")) == [("b" * 12, 20), ("a" * 12, 10)]


def test_there_is_a_lever_for_every_service() -> None:
    assert [each.id for each in SHIPPED.values() if lever(each.id, each.context.value) is None] == []


def test_a_lever_names_services_of_the_catalogue_settings_and_its_source() -> None:
    assert {name for each in levers() for name in each.services} <= SHIPPED.keys()
    assert {context for each in levers() for context in each.contexts} == set(Context)
    assert len({each.id for each in levers()}) == len(levers())
    for each in levers():
        assert all((each.id, each.source, each.policies))
        for name in re.findall(r"\b[A-Z][a-z]+(?:[A-Z][A-Za-z]+)+\b", " ".join(each.policies)):
            assert name in each.source or name in ("ExtensionInstallAllowlist", "GitHub"), name


def test_the_lever_of_a_service_goes_before_that_of_its_context() -> None:
    chrome, other = lever("chrome-translate", "translation"), lever("deepl", "translation")
    assert chrome is not None
    assert other is not None
    assert "Chrome: TranslateEnabled = false" in chrome.policies
    assert (chrome.id, other.id) == ("google-translate", "translation")
