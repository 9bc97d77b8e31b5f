"""`bewust catalogue …` answers people and scripts, and `check` tells every mistake of an organisation at once."""

import datetime
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bewust.catalogue import loading
from bewust.cli.main import main
from bewust.config import policy
from bewust.model import Context, Depth
from bewust.proxy import pac
from support.catalogue_entries import SERVICE, SIGNATURE

SHIPPED = loading.load()
NEWEST = max(signature.reviewed for service in SHIPPED for signature in service.signatures)
OURS = (
    SERVICE.replace('"s"', '"ours"')
    .replace("invented", "invented for these tests, and written nowhere else")
    .replace("2026-01-01", NEWEST)
)


class Newest(datetime.date):
    """A clock that stands at the last review of the shipped catalogue, so that no test grows old."""

    @classmethod
    def today(cls) -> "Newest":
        return cls.fromisoformat(NEWEST)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datetime, "date", Newest)


def run(*arguments: str | Path, config: Path | None = None) -> Result:
    options = ["--config", str(config)] if config else []
    return CliRunner().invoke(main, [*options, "catalogue", *map(str, arguments)], prog_name="bewust")


def answered(*arguments: str | Path, config: Path | None = None, code: int = 0) -> str:
    result = run(*arguments, config=config)
    assert result.exit_code == code, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.stdout


def refused(*arguments: str | Path, config: Path | None = None, code: int = 2) -> str:
    result = run(*arguments, config=config)
    assert (result.exit_code, result.stdout) == (code, "")
    return result.stderr


def folder(path: Path, **files: str) -> Path:
    """An organisation's folder with these files in its services."""
    (path / "services").mkdir()
    for name, text in files.items():
        (path / "services" / f"{name}.toml").write_text(text, encoding="utf-8")
    return path


def ids(text: str) -> list[str]:
    return [service["id"] for service in json.loads(text)]


# List and search.


def test_the_list_has_every_service() -> None:
    out = answered("list")
    assert all(f" {service.id} " in out for service in SHIPPED)
    assert f"{len(SHIPPED)} services, " in out
    assert "…" not in out


def test_the_list_for_scripts_is_one_line_of_objects() -> None:
    out = answered("list", "--json")
    assert ids(out) == [service.id for service in SHIPPED]
    assert out.count("\n") == 1


@pytest.mark.parametrize("context", Context)
def test_the_list_of_one_context_has_its_services_only(context: Context) -> None:
    wanted = [service.id for service in SHIPPED if service.context is context]
    assert wanted
    assert ids(answered("list", "--context", context.value, "--json")) == wanted


def test_the_list_of_one_context_is_a_table_too() -> None:
    out = answered("list", "--context", "translation")
    assert " deepl " in out
    assert " claude " not in out


@pytest.mark.parametrize("context", ["sport", "", "Search"])
def test_a_context_that_is_none_is_2_and_all_are_named(context: str) -> None:
    error = refused("list", "--context", context)
    assert "--context" in error
    assert ", ".join(Context) in error


def test_the_list_has_what_the_organisation_added(tmp_path: Path) -> None:
    config = folder(tmp_path, ours=OURS + SIGNATURE)
    (ours,) = (s for s in json.loads(answered("list", "--json", config=config)) if s["id"] == "ours")
    assert (ours["file"], ours["line"]) == (str(config / "services" / "ours.toml"), 2)


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("google-ai-m", "google-ai-mode"),
        ("AI in Chrome", "chrome-ai"),
        ("anthropic", "claude"),
        ("ANTHROPIC", "claude"),
        ("gt-page-html", "chrome-translate"),
        ("optimizationguide-pa.goo", "chrome-ai"),
    ],
    ids=["id", "name", "vendor", "capitals", "alias", "host"],
)
def test_a_service_is_found_by_a_part_of_any_of_its_names(word: str, found: str) -> None:
    assert found in ids(answered("search", word, "--json"))
    assert f" {found} " in answered("search", word)


def test_a_search_without_result_is_1() -> None:
    assert "0 services" in answered("search", "no-such-service", code=1)
    assert json.loads(answered("search", "--json", "no-such-service", code=1)) == []


# Show.


def test_a_service_is_shown_by_its_id() -> None:
    out = answered("show", "google-ai-mode")
    assert "Google AI Mode (google-ai-mode)" in out
    assert json.loads(answered("show", "google-ai-mode", "--json"))["id"] == "google-ai-mode"


def test_a_service_is_shown_by_its_alias() -> None:
    assert json.loads(answered("show", "claude-web", "--json"))["id"] == "claude"
    assert "Claude (claude)" in answered("show", "claude-web")


def test_an_alias_that_services_share_shows_them_all() -> None:
    sharing = [service for service in SHIPPED if "modernmt" in service.aliases]
    assert len(sharing) == 2
    lines = answered("show", "modernmt", "--json").splitlines()
    assert [json.loads(line)["id"] for line in lines] == [service.id for service in sharing]
    assert all(f"{service.name} ({service.id})" in answered("show", "modernmt") for service in sharing)


def test_an_id_goes_before_an_alias(tmp_path: Path) -> None:
    config = folder(tmp_path, ours=OURS + 'aliases = ["claude"]' + SIGNATURE)
    (line,) = answered("show", "claude", "--json", config=config).splitlines()
    assert json.loads(line)["id"] == "claude"


@pytest.mark.parametrize("name", ["no-such-service", "", "Claude"])
def test_a_service_that_is_not_there_is_2_with_a_way_to_find_it(name: str) -> None:
    assert "bewust catalogue search" in refused("show", name)


@pytest.mark.parametrize(
    "arguments",
    [["list"], ["search", "x"], ["show", "claude"], ["explain", "https://a.example/"], ["hosts"]],
    ids=" ".join,
)
def test_a_mistake_of_the_organisation_is_3_and_one_line(tmp_path: Path, arguments: list[str]) -> None:
    error = refused(*arguments, config=folder(tmp_path, ours="x = 1"), code=3)
    assert error.startswith("bewust: ")
    assert "ours.toml" in error
    assert error.count("\n") == 1


# Check.


def findings(path: Path, code: int = 1) -> list[dict[str, Any]]:
    """What `check` says about the organisation's own files."""
    found = json.loads(answered("check", path, "--json", code=code))
    assert all(list(finding) == ["file", "line", "entry", "problem", "remedy"] for finding in found)
    text = answered("check", path, code=code).splitlines()
    assert text[:-1] == ["{file}:{line}: {entry}: {problem}. {remedy}".format(**finding) for finding in found]
    assert text[-1].endswith(f" {len(found) or 'no'} finding{'' if len(found) == 1 else 's'}")
    return [finding for finding in found if finding["file"].startswith(str(path))]


def test_a_file_that_is_no_toml_is_one_finding_with_its_line(tmp_path: Path) -> None:
    path = folder(tmp_path, ours=OURS + SIGNATURE + "\n[[service]\n")
    (finding,) = findings(path)
    assert (finding["file"], finding["line"]) == (str(path / "services" / "ours.toml"), 15)
    assert finding["problem"].startswith("is not TOML")
    assert finding["remedy"]


def test_every_mistake_of_every_file_is_told_with_its_line(tmp_path: Path) -> None:
    other = OURS.replace('"ours"', '"other"')
    path = folder(
        tmp_path,
        a=OURS + SIGNATURE.replace("a.example", "A.example") + other + SIGNATURE.replace('"use"', '"seen"'),
        b="service = 1",
        c=other.replace('"other"', '"third"') + SIGNATURE + "\n" + SIGNATURE.replace('"a"', '"b"') + 'path_regex = "("',
        d=OURS.replace('"ours"', '"Fourth"') + SIGNATURE,
        e=OURS.replace('"ours"', '"fifth"') + 'aliases = ["claude"]' + SIGNATURE,
        f="x = [",
    )
    places = {(Path(finding["file"]).name, finding["line"], finding["problem"][:16]) for finding in findings(path)}
    assert places == {
        ("a.toml", 10, "host 'A.example'"),
        ("a.toml", 15, "Invalid enum val"),
        ("b.toml", 1, "is not a list of"),
        ("c.toml", 16, "path_regex missi"),
        ("d.toml", 2, "has no usable id"),
        ("e.toml", 2, "alias 'claude' i"),
        ("f.toml", 1, "is not TOML (Inv"),
    }


def test_a_rule_that_never_speaks_is_found(tmp_path: Path) -> None:
    path = folder(tmp_path, ours=OURS + SIGNATURE + SIGNATURE.replace('"a"', '"b"') + 'path = "/x"')
    (finding,) = findings(path)
    assert (finding["line"], finding["entry"]) == (15, "service 'ours', signature 'b'")
    assert finding["problem"] == "never speaks: signature 'a' holds wherever it does"


def test_a_rule_added_to_a_shipped_service_is_checked_with_it(tmp_path: Path) -> None:
    text = 'service = [{ id = "claude", signature = [{ id = "x", level = "visit", hosts = ["chatgpt.com"] }] }]'
    (finding,) = findings(folder(tmp_path, ours=text))
    assert (finding["line"], finding["entry"]) == (0, "service 'claude', signature 'x'")
    assert "chatgpt.com is a visit of service 'chatgpt' too" in finding["problem"]


def test_a_good_addition_has_no_finding(tmp_path: Path) -> None:
    path = folder(tmp_path, ours=OURS + SIGNATURE)
    assert findings(path, code=0) == []
    signatures = sum(len(service.signatures) for service in SHIPPED)
    start = f"{len(SHIPPED) + 1} services, {signatures + 1} signatures, "
    assert answered("check", path).startswith(start)
    assert answered("check", path).endswith(" names decrypted: no findings\n")
    assert answered("check", path, "--json") == "[]\n"


def test_the_shipped_catalogue_alone_is_checked_where_there_is_no_folder() -> None:
    assert answered("check").startswith(f"{len(SHIPPED)} services, ")
    assert answered("check", "--json") == "[]\n"


def test_without_a_folder_that_of_the_configuration_is_checked(tmp_path: Path) -> None:
    path = folder(tmp_path, ours="x = [")
    found = json.loads(answered("check", "--json", config=path, code=1))
    assert any(finding["file"] == str(path / "services" / "ours.toml") for finding in found)


def test_a_policy_that_decides_about_no_service_is_3(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text('[service.gone]\ndepth = "name"\n')
    assert "service.gone: is not in the catalogue" in refused("check", tmp_path, code=3)


def test_a_folder_that_is_not_there_is_2(tmp_path: Path) -> None:
    assert "gone" in refused("check", tmp_path / "gone")


# Explain.

EXPLAINED = """
methods = ["POST"]
path = "/ask"
headers = { origin = "https://a.example" }
websocket = true
"""


def explained(*arguments: str, config: Path | None = None) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answered("explain", "--json", *arguments, config=config))
    return found


def test_a_use_is_explained_to_people_and_to_scripts() -> None:
    url = "https://www.google.com/search?udm=50&q=x"
    out = answered("explain", url)
    assert "use: google-ai-mode/page" in out
    assert "nothing more, it is one" in out
    found = explained(url)
    assert (found["host"], found["verdict"]) == ("www.google.com", "use: google-ai-mode/page")
    assert answered("explain", "--json", url).count("\n") == 1


def test_a_host_that_is_not_catalogued_is_explained_as_such() -> None:
    assert "not in the catalogue" in answered("explain", "https://www.example.nl/")
    assert explained("https://www.example.nl/")["tried"] == []


def test_no_explanation_repeats_what_a_person_asked() -> None:
    url = "https://www.google.com/search?q=my-secret-question&udm=my-secret-value"
    arguments = ["explain", url, "--header", "Referer: https://my-secret-page.example/"]
    assert "my-secret" not in answered(*arguments)
    assert "my-secret" not in answered(*arguments, "--json")


@pytest.mark.parametrize(
    ("options", "fell"),
    [
        ([], "path"),
        (["--path"], "method"),
        (["--path", "--method=post"], "websocket"),
        (["--path", "--method=POST", "--websocket"], "header origin"),
        (["--path", "--method=POST", "--websocket", "--header=Accept: https://a.example"], "header origin"),
        (["--path", "--method=POST", "--websocket", "--header=Origin: https://b.example"], "header origin"),
        (
            ["--path", "--method=POST", "--websocket", "--header=Accept: x", "--header=Origin : https://a.example "],
            None,
        ),
    ],
    ids=["nothing", "path", "method", "websocket", "other header", "other value", "all"],
)
def test_each_option_is_a_fact_of_the_request(tmp_path: Path, options: list[str], fell: str | None) -> None:
    config = folder(tmp_path, ours=OURS + "embedded = true" + SIGNATURE + EXPLAINED)
    url = "https://a.example" + ("/ask" if "--path" in options else "/")
    found = explained(url, *(option for option in options if option != "--path"), config=config)
    (trial,) = (trial for trial in found["tried"] if trial["signature"] == "ours/a")
    assert (trial["fell"], found["verdict"]) == (fell, None if fell else "use: ours/a")
    assert (trial["file"], trial["line"]) == (str(config / "services" / "ours.toml"), 10)


def test_a_translation_of_an_internal_page_is_said_to_be_internal() -> None:
    url, options = "https://translate-pa.googleapis.com/v1/translateHtml", ["--method", "POST"]
    assert explained(url, *options, "--header", "Origin: http://intranet/")["internal"]
    assert "(internal)" in answered("explain", url, *options, "--header", "Origin: http://intranet/")
    assert not explained(url, *options)["internal"]


@pytest.mark.parametrize("url", ["", "www.google.com", "not a url", "ftp://a.example/", "https://", "https://[::1]/"])
def test_what_is_no_whole_url_is_2(url: str) -> None:
    assert "https://www.example.nl/x" in refused("explain", url)


# Hosts.


def routed() -> set[str]:
    """The names in the PAC file, as its two tables have them."""
    text = pac.pac(policy.load().compiled(SHIPPED), 8787)
    tables: dict[str, Mapping[str, int]] = {
        name: json.JSONDecoder().raw_decode(text, text.index(f"var {name} = ") + len(f"var {name} = "))[0]
        for name in ("exact", "below")
    }
    return {*tables["exact"], *(f"*.{host}" for host in tables["below"])}


def test_the_hosts_are_exactly_those_of_the_pac_file() -> None:
    printed = [line.split() for line in answered("hosts").splitlines()]
    assert {depth for depth, _ in printed} <= {depth.name.lower() for depth in Depth}
    assert sorted(host for _, host in printed) == sorted(routed())


@pytest.mark.parametrize("depth", Depth)
def test_the_hosts_of_one_depth_are_bare_names(depth: Depth) -> None:
    word = depth.name.lower()
    lines = answered("hosts", "--depth", word).splitlines()
    assert tuple(lines) == policy.load().compiled(SHIPPED).hosts(depth)
    assert set(lines) <= routed()
    assert [f"{word:<9} {line}" for line in lines] == [
        line for line in answered("hosts").splitlines() if line.startswith(f"{word} ")
    ]
    assert json.loads(answered("hosts", "--json", "--depth", word)) == {word: lines}


def test_the_hosts_for_scripts_are_one_object_of_lists() -> None:
    out = answered("hosts", "--json")
    found = json.loads(out)
    assert list(found) == ["name", "request", "response"]
    assert {host for hosts in found.values() for host in hosts} == routed()
    assert out.count("\n") == 1


def test_the_counts_are_said_apart_from_the_hosts() -> None:
    result = run("hosts")
    matcher = policy.load().compiled(SHIPPED)
    name, request, response = (len(matcher.hosts(depth)) for depth in Depth)
    assert result.stderr == (
        f"{name} at depth name, {request} at depth request, {response} at depth response; "
        f"{request + response} of at most 150 are decrypted\n"
    )
    assert "at most" not in result.stdout


def test_the_hosts_follow_the_policy(tmp_path: Path) -> None:
    config = folder(tmp_path, ours=OURS + SIGNATURE)
    (config / "policy.toml").write_text('[service.ours]\ndepth = "name"\n[service.claude]\ndepth = "request"\n')
    found = json.loads(answered("hosts", "--json", config=config))
    assert "a.example" in found["name"]
    assert "claude.ai" in found["request"]
    assert "claude.ai" in json.loads(answered("hosts", "--json"))["name"]


def test_a_depth_that_is_none_is_2() -> None:
    assert "--depth" in refused("hosts", "--depth", "deep")


def test_a_header_without_a_colon_is_refused_rather_than_passed_over() -> None:
    assert "has no colon" in refused("explain", "https://www.google.nl/", "--header", "nonsense")


def test_plain_http_is_said_to_go_its_own_way() -> None:
    assert "only https and wss are routed" in answered("explain", "http://claude.ai/x")


def test_findings_in_a_folder_whose_name_is_no_text_are_written_all_the_same(tmp_path: Path) -> None:
    folder = tmp_path / b"caf\xe9".decode("utf-8", "surrogateescape")
    (folder / "services").mkdir(parents=True)
    (folder / "services" / "ours.toml").write_text("[[service", encoding="utf-8")
    found = json.loads(answered("check", folder, "--json", code=1))
    assert [finding["problem"][:11] for finding in found] == ["is not TOML"]
