"""Every mistake is one PolicyError that names file, key and remedy; what is right gives one Policy."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bewust.catalogue import loading
from bewust.config import platform_policy, policy
from bewust.config.platform_policy import Layer
from bewust.config.policy import Decision, Policy, PolicyError, ReleaseRules
from bewust.durations import Duration
from bewust.keys import key_text
from bewust.model import Context, Depth, Service, Status


def service(id_: str = "chatgpt", embedded: bool = False) -> Service:
    return Service(id_, "A name", "A vendor", Context.CHAT, embedded, 1800.0, "evidence", "2026-11-23", ())


def written(folder: Path, text: str) -> Path:
    file = folder / "policy.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_shipped_file_says_what_the_defaults_of_the_code_say() -> None:
    shipped = policy.load()
    assert shipped == Policy(
        fill=shipped.fill, service=shipped.service, release=ReleaseRules(services=shipped.release.services)
    )


def test_a_folder_without_a_policy_changes_nothing(tmp_path: Path) -> None:
    assert policy.load(tmp_path) == policy.load()


@pytest.mark.parametrize("as_folder", [True, False], ids=["folder", "file"])
def test_an_overlay_changes_the_keys_it_has_and_no_others(tmp_path: Path, as_folder: bool) -> None:
    file = written(tmp_path, 'language = "en"\n[fill]\ncontact = "CIO"\n[service.chatgpt]\nstatus = "contracted"\n')
    theirs, ours = policy.load(tmp_path if as_folder else file), policy.load()
    assert (theirs.language, theirs.fill["contact"]) == ("en", "CIO")
    assert theirs.fill["vertaler"] == ours.fill["vertaler"]
    assert (theirs.timezone, theirs.reminders) == (ours.timezone, ours.reminders)
    assert theirs.decision("chatgpt") == Decision(status=Status.CONTRACTED)
    assert theirs.decision("claude").status is Status.UNKNOWN


def test_a_file_that_a_windows_editor_saved_is_read(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_bytes(b'\xef\xbb\xbflanguage = "en"\r\n')
    assert policy.load(tmp_path).language == "en"


@pytest.mark.parametrize(
    ("embedded", "decided", "expected"),
    [
        pytest.param(True, None, Depth.RESPONSE, id="embedded: into the answer"),
        pytest.param(False, None, Depth.NAME, id="stand-alone: the name only"),
        pytest.param(True, "name", Depth.NAME, id="embedded, but policy says name"),
        pytest.param(True, "request", Depth.REQUEST, id="embedded, but policy says request"),
        pytest.param(False, "response", Depth.RESPONSE, id="stand-alone, but policy says response"),
    ],
)
def test_depth_follows_from_embedded_unless_policy_decides(
    tmp_path: Path, embedded: bool, decided: str | None, expected: Depth
) -> None:
    written(tmp_path, f'[service.x]\ndepth = "{decided}"\n' if decided else "")
    assert policy.load(tmp_path).depth_of(service("x", embedded)) is expected


MISTAKES = [
    ("no TOML", "language = nl", "not TOML", "line 1"),
    ("a number too long to be one", "x = " + "9" * 5000, "not TOML", "Mend"),
    ("nested too deep", "x = " + "[" * 2000, "not TOML", "Mend"),
    ("unknown key", 'langauge = "nl"', "langauge", "docs/policy.md"),
    ("unknown key of a service", '[service.x]\nstatsu = "unknown"', "statsu", "$.service"),
    ("unknown status", '[service.x]\nstatus = "forbidden"', "forbidden", "$.service"),
    ("unknown depth", '[service.x]\ndepth = "deep"', "deep", "$.service"),
    ("unknown mechanism", 'mechanism = "global"', "global", "$.mechanism"),
    ("a list where a text belongs", "language = []", "$.language", "docs/policy.md"),
    ("a text where a table belongs", "reminders = 30", "$.reminders", "docs/policy.md"),
    ("a fill that is no text", "[fill]\ncontact = 1", "$.fill", "docs/policy.md"),
    ("no duration", 'flush = "soon"', "flush", '"15m"'),
    ("a negative duration", '[reminders]\ngap = "-5m"', "reminders.gap", '"15m"'),
    ("a duration beyond all clocks", 'demoted_for = "99999999999h"', "demoted_for", "up to a year"),
    ("a duration beyond all numbers", f'[reminders]\ngap = "{"9" * 400}h"', "reminders.gap", "up to a year"),
    ("no step of a back-off", '[reminders]\nback_off = ["next week"]', "reminders.back_off", '"3d"'),
    ("no gap of a context", '[reminders.context.search]\ngap = "x"', "reminders.context.search.gap", '"3d"'),
    ("a context that is none", '[reminders.context.searching]\ngap = "1h"', "searching", "docs/policy.md"),
    ("reminders below none", "[reminders]\ndaily = -1", "reminders.daily", "0 to 100"),
    ("reminders beyond number", "[reminders.context.chat]\ndaily = 1000", "context.chat.daily", "0 to 100"),
    ("hours that are none", '[reminders]\nquiet = ["18-8"]', "reminders.quiet", '"18:00-08:00"'),
    ("an hour that is none", '[reminders]\nquiet = ["24:00-08:00"]', "reminders.quiet", '"18:00-08:00"'),
    ("a link that runs", '[page]\nguidelines = "javascript:alert(1)"', "page.guidelines", "https://"),
    ("a link without TLS", '[page]\nbreach = "http://x.nl"', "page.breach", "mailto:"),
    ("a link with a quote in it", '[service.x]\nmore = "https://x.nl/\\"onclick"', "service.x.more", "https://"),
    ("conditions that are none", '[service.x]\ntraining = "never"', "never", "docs/policy.md"),
    ("flushing all the time", 'flush = "1s"', "flush", "a minute or more"),
    ("no timezone", 'timezone = "Amsterdam"', "timezone", "Europe/Amsterdam"),
    ("a timezone that is a folder", 'timezone = "Europe"', "timezone", "Europe/Amsterdam"),
    ("a timezone outside its folder", 'timezone = "../../etc/passwd"', "timezone", "Europe/Amsterdam"),
    ("an empty timezone", 'timezone = ""', "timezone", "Europe/Amsterdam"),
    ("a language that is a path", 'language = "../nl"', "language", 'one of "de", "en", "nl"'),
    ("a country in capitals", 'countries = ["NL"]', "countries", '"co.uk"'),
    ("a country that is a domain", 'countries = ["evil.example"]', "countries", '"co.uk"'),
    ("no country", "countries = []", "countries", "at least one"),
    ("an internal host with a path", 'internal_hosts = ["intranet.example/x"]', "internal_hosts", "bare"),
    ("an internal host in capitals", 'internal_hosts = ["Intranet.Example"]', "internal_hosts", "lower-case"),
    ("an internal host that is all hosts", 'internal_hosts = ["*."]', "internal_hosts", "bare"),
    ("a proxy with a path", '[network]\nupstream = "http://p.example:80/x"', "network.upstream", "port"),
    ("a proxy without a port", '[network]\nupstream = "http://p.example"', "network.upstream", "port"),
    ("a proxy that speaks TLS", '[network]\nupstream = "https://p.example:443"', "network.upstream", "http://"),
    ("a proxy with a password", '[network]\nupstream = "http://a:b@p.example:80"', "network.upstream", "without"),
    ("more of the network", '[network]\nproxy = ""', "proxy", "docs/policy.md"),
    ("an empty internal host", 'internal_hosts = [""]', "internal_hosts", "bare"),
]


@pytest.mark.parametrize(("text", "names", "helps"), [m[1:] for m in MISTAKES], ids=[m[0] for m in MISTAKES])
def test_a_mistake_names_file_and_key_and_says_what_to_do(tmp_path: Path, text: str, names: str, helps: str) -> None:
    file = written(tmp_path, text)
    with pytest.raises(PolicyError) as error:
        policy.load(tmp_path)
    message = str(error.value)
    assert message.startswith(f"{file}: ")
    assert names in message
    assert helps in message
    assert "\n" not in message


def test_a_policy_file_that_is_missing_is_no_empty_policy(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"cannot be read .*Check"):
        policy.load(tmp_path / "none.toml")


def test_a_policy_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_bytes(b'language = "\xff"')
    with pytest.raises(PolicyError, match="not TOML"):
        policy.load(tmp_path)


def test_a_decision_about_a_service_nobody_knows_is_refused(tmp_path: Path) -> None:
    written(tmp_path, '[service.chatgtp]\nstatus = "uncontracted"\n')
    with pytest.raises(PolicyError, match=r"policy.toml: service.chatgtp: is not in the catalogue. Correct"):
        policy.check_services(policy.load(tmp_path), loading.load(), tmp_path)


def test_every_default_country_can_be_filled_in() -> None:
    policy.check_services(policy.load(), loading.load(countries=policy.every_country()))
    assert set(policy.load().countries) <= set(policy.every_country())


# Layers. What they are and their order is in test_layers.py.


def layered(folder: Path, *texts: str) -> list[Path]:
    """Write policy.toml and then files of policy.d; return them all."""
    (folder / "policy.d").mkdir()
    files = [folder / "policy.toml", *(folder / "policy.d" / f"{n}.toml" for n in range(1, len(texts)))]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text, encoding="utf-8")
    return files


def test_a_later_file_changes_the_keys_it_has_and_no_others(tmp_path: Path) -> None:
    layered(tmp_path, 'flush = "1h"\n[fill]\ncontact = "A"\ntip = "T"', '[fill]\ncontact = "B"', 'language = "en"')
    found = policy.load(tmp_path)
    assert (found.flush.text, found.language, found.fill["contact"], found.fill["tip"]) == ("1h", "en", "B", "T")


@pytest.mark.parametrize(
    ("texts", "wrong", "names"),
    [
        (["", "language = 1", ""], 1, "$.language"),
        (['flush = "1s"', 'language = "en"'], 0, "flush: '1s' is too often"),
        (['flush = "1h"', 'flush = "1s"', 'language = "en"'], 1, "flush: '1s' is too often"),
        (['flush = "2s"', 'flush = "1s"'], 1, "flush: '1s' is too often"),
        (["", "[[nonsense"], 1, "is not TOML"),
        (["[page]", "", "pages = 1"], 2, "pages"),
        (['mechanism = "local"', 'mechanism = "split"'], 1, "release.keepers"),
        (["", '[service.nobody]\nstatus = "unknown"', '[service.chatgpt]\nstatus = "unknown"'], 1, "service.nobody"),
        (['[release]\nservices = ["x"]', ""], 0, "release.services: 'x' is not"),
    ],
)
def test_a_mistake_names_the_layer_that_made_it(tmp_path: Path, texts: list[str], wrong: int, names: str) -> None:
    files = layered(tmp_path, *texts)
    with pytest.raises(PolicyError) as error:
        policy.check_services(policy.load(tmp_path), loading.load(), tmp_path)
    assert str(error.value).startswith(f"{files[wrong]}: ")
    assert names in str(error.value)


def test_what_is_right_together_is_right(tmp_path: Path) -> None:
    layered(tmp_path, 'mechanism = "split"', KEEPERS)
    assert policy.load(tmp_path).mechanism == "split"


def managing(monkeypatch: pytest.MonkeyPatch, machine: Path, *found: Layer) -> None:
    monkeypatch.setattr(platform_policy, "folder", lambda: machine)
    monkeypatch.setattr(platform_policy, "layers", lambda: found)


def test_what_the_registry_holds_gets_the_types_of_its_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    table = {"reminders": {"silent": 1, "daily": "4", "enabled": "false"}, "internal_hosts": ["a.example"]}
    written(tmp_path, "[reminders]\ndaily = 1\ndaily_context = 1")
    managing(monkeypatch, tmp_path, Layer("registry", table, loose=True))
    found = policy.load(tmp_path)
    assert (found.reminders.silent, found.reminders.daily, found.reminders.daily_context) == (True, 4, 1)
    assert (found.reminders.enabled, found.internal_hosts) == (False, ("a.example",))


@pytest.mark.parametrize(
    ("table", "names"),
    [({"reminders": {"silent": 2}}, "$.reminders.silent"), ({"x": 1}, "unknown field `x`"), ({"flush": "1s"}, "flush")],
)
def test_a_mistake_in_what_is_managed_names_the_registry(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, table: dict[str, Any], names: str
) -> None:
    managing(monkeypatch, tmp_path, Layer("registry HKLM", table, loose=True))
    with pytest.raises(PolicyError) as error:
        policy.load(tmp_path)
    assert str(error.value).startswith("registry HKLM: ")
    assert names in str(error.value)


def test_a_file_is_not_as_loose_as_the_registry(tmp_path: Path) -> None:
    written(tmp_path, "[reminders]\nsilent = 1")
    with pytest.raises(PolicyError, match=r"Expected `bool`, got `int`"):
        policy.load(tmp_path)


VALUES = st.one_of(
    st.text(max_size=12).map(lambda text: '"' + text.replace("\\", "").replace('"', "") + '"'),
    st.sampled_from(['"15m"', '"1e9h"', '"0m"', "[]", '["nl"]', "{}", "true", "-1", "1e400", "2026-01-01", '"nl"']),
)
KEYS = st.sampled_from(
    ["language", "timezone", "countries", "internal_hosts", "mechanism", "flush", "demoted_for", "reminders.gap",
     "reminders.enabled", "fill.contact", "service.x.status", "service.x.depth", "other"]
)  # fmt: skip
LINES = st.lists(st.tuples(KEYS, VALUES).map(" = ".join), max_size=4).map("\n".join)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.text().map(lambda text: text.encode("utf-8", "replace")), st.binary(), LINES.map(str.encode)))
def test_any_file_gives_a_policy_that_works_or_one_clear_line(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "policy.toml"
    file.write_bytes(data)
    try:
        found = policy.load(tmp_path)
    except PolicyError as error:
        assert str(error).startswith(f"{file}: ")
    else:
        assert found.flush.total_seconds() >= 60
        assert found.zone.key == found.timezone
        assert found.depth_of(service("x")) in Depth


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_says_so(tmp_path: Path) -> None:
    written(tmp_path, "").chmod(0)
    with pytest.raises(PolicyError, match="owner and mode"):
        policy.load(tmp_path)


# What leaves the machine.

PUBLIC = [key_text(X25519PrivateKey.generate().public_key()) for _ in range(2)]
KEEPERS = "".join(f'[[release.keepers]]\nname = "k{n}"\nkey = "{key}"\n' for n, key in enumerate(PUBLIC))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[release.epsilon]\nweek = "1/2"', "release.epsilon: 'week' is no block"),
        ('[release.epsilon]\nany = "0.5"', "release.epsilon.any: '0.5' is no fraction"),
        ('[release]\nyearly = "-1"', "release.yearly: '-1' is no budget"),
        (
            "[release]\nservices = [" + '"chatgpt", ' * 2 + "]",
            "release.services: are more than 24, or one is there twice",
        ),
        ('mechanism = "split"', "release.keepers: under split there are two"),
        ('mechanism = "split"\n' + KEEPERS.replace(PUBLIC[1], PUBLIC[0]), "release.keepers: under split there are two"),
        (KEEPERS.replace(PUBLIC[1], "AAAA"), "release.keepers 'k1': "),
        (KEEPERS.replace(PUBLIC[1], "é"), "release.keepers 'k1': "),
    ],
)
def test_a_mistake_about_releases_is_one_error_with_its_key(tmp_path: Path, text: str, problem: str) -> None:
    written(tmp_path, text)
    with pytest.raises(PolicyError) as caught:
        policy.load(tmp_path)
    assert problem in str(caught.value)


def test_two_keepers_make_split_possible_and_a_fraction_replaces_one_epsilon(tmp_path: Path) -> None:
    written(tmp_path, 'mechanism = "split"\n[release.epsilon]\nservice = "1/4"\n' + KEEPERS)
    rules = policy.load(tmp_path)
    assert rules.epsilons == {"any": "1/5", "service": "1/4", "internal": "3/20", "reminder": "3/20"}
    assert rules.yearly_epsilon == 53
    assert [keeper.key for keeper in rules.release.keepers] == PUBLIC


def test_a_release_names_services_of_the_catalogue_only(tmp_path: Path) -> None:
    written(tmp_path, '[release]\nservices = ["chatgtp"]\n')
    with pytest.raises(PolicyError, match=r"release.services: 'chatgtp' is not in the catalogue"):
        policy.check_services(policy.load(tmp_path), loading.load(), tmp_path)


def test_a_policy_reaches_another_process_as_it_is() -> None:
    decided = {f"service-{n}": policy.Decision(alternative="x" * 100) for n in range(500)}
    whole = msgspec.structs.replace(policy.load(), service=decided, pause=Duration(""))
    assert policy.unpacked(policy.packed(whole)) == whole
    assert (whole.flush, whole.pause, bool(whole.pause)) == (timedelta(minutes=15), timedelta(), False)
