"""Every value has its origin; a policy that is right is reviewed for what it probably does not mean."""

from pathlib import Path

import pytest

from bewust.authority.authority import NOTHING, AuthorityError, issue
from bewust.catalogue import editions
from bewust.config import platform_policy, policy, texts
from bewust.config.platform_policy import Layer
from bewust.config.policy import PolicyError
from bewust.config.review import DEFAULT, PolicyValue, review, values
from bewust.config.rules import load_rules, local_now
from bewust.model import Depth
from support import bundles


def written(folder: Path, text: str, name: str = "policy.toml") -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


# Values.


def test_each_value_names_the_highest_layer_that_sets_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = written(tmp_path, '[fill]\ncontact = "A"\ntip = "B"\n[reminders]\ndaily = 1')
    part = written(tmp_path, '[fill]\ncontact = "C"\n"my own" = "D"', "policy.d/10.toml")
    monkeypatch.setattr(platform_policy, "folder", lambda: tmp_path)
    monkeypatch.setattr(
        platform_policy, "layers", lambda: (Layer("registry", {"reminders": {"silent": 1}}, loose=True),)
    )
    found = {one.key: one for one in values(tmp_path)}
    assert found["fill.contact"] == PolicyValue("fill.contact", "C", str(part))
    assert found['fill."my own"'] == PolicyValue('fill."my own"', "D", str(part))
    assert found["fill.tip"] == PolicyValue("fill.tip", "B", str(ours))
    assert found["reminders.daily"] == PolicyValue("reminders.daily", 1, str(ours))
    assert found["reminders.silent"] == PolicyValue("reminders.silent", True, "registry"), "with the type of its key"
    assert found["language"] == PolicyValue("language", "nl", DEFAULT)


def test_every_key_of_a_policy_is_shown_as_we_ship_it() -> None:
    found = values(None)
    assert {one.origin for one in found} == {DEFAULT}
    shown = {one.key for one in found}
    for section in ("reminders", "page", "release", "network", ""):
        of = getattr(policy.Policy(), section) if section else policy.Policy()
        for name in of.__struct_fields__:
            key = f"{section}.{name}".lstrip(".")
            optional = key in ("reminders.context", "release.epsilon", "release.keepers")
            assert optional or any(one == key or one.startswith(f"{key}.") for one in shown), key


def test_a_mistake_is_not_shown_as_a_policy(tmp_path: Path) -> None:
    file = written(tmp_path, 'flush = "1s"')
    with pytest.raises(PolicyError, match="too often") as error:
        values(tmp_path)
    assert str(error.value).startswith(f"{file}: ")


# Review.


def test_what_a_policy_would_do_is_counted(tmp_path: Path) -> None:
    text = '[service.chatgpt]\nstatus = "contracted"\n[service.claude]\ndepth = "request"\n[fill]\n'
    filled = "".join(f'{name} = "x"\n' for name in ("contact", "meldpunt", "training", "tip"))
    found = review(written(tmp_path, text + filled), None)
    assert (found.keys, found.decided, found.notes) == (6, 1, ())
    shipped = {host.removeprefix("*.") for host in decrypted(None)}
    assert found.names == len(shipped | {"claude.ai"}) == len(shipped) + 1


def decrypted(place: Path | None) -> tuple[str, ...]:
    return tuple(load_rules(place).matcher.decrypted_hosts())


def test_a_folder_is_checked_with_its_own_services_and_texts(tmp_path: Path) -> None:
    written(tmp_path, '[fill]\nours = "x"')
    written(tmp_path, 'language = "en"', "policy.d/a.toml")
    written(tmp_path, '[[text]]\nid = "G01"\ntext = "Ask {ours}."\nsource = "us"', "texts/en.toml")
    found = review(tmp_path, None)
    assert found.keys == 2
    assert not any("ours" in note for note in found.notes)


def notes(folder: Path, text: str) -> str:
    return "\n".join(review(written(folder, text), None).notes)


def test_what_is_right_but_does_nothing_is_noted(tmp_path: Path) -> None:
    assert "fill.meldpnt: no text of texts/nl.toml has {meldpnt}." in notes(tmp_path, '[fill]\nmeldpnt = "x"')
    assert "R18: never shown: {meldpunt} has no value" in notes(tmp_path, '[fill]\nmeldpnt = "x"')
    assert "R18" not in notes(tmp_path, '[fill]\nmeldpunt = "x"')
    lacking = '[service.chatgpt]\nstatus = "uncontracted"\n[service.gemini]\nstatus = "uncontracted"\n'
    assert "chatgpt, gemini: uncontracted without an alternative" in notes(tmp_path, lacking)
    assert "chatgpt" not in notes(tmp_path, lacking.replace("[service.gemini]", 'alternative = "x"\n[service.gemini]'))


SHIPPED = load_rules(None)
LONG = ", ".join(f'"h{n}.example"' for n in range(150))
NAMELESS = "".join(
    f'[service.{service.id}]\ndepth = "name"\n'
    for service in SHIPPED.services.values()
    if SHIPPED.policy.depth_of(service) is not Depth.NAME
)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"inspected_hosts = [{LONG}]", "and 150 is the most. List fewer"),
        ('inspected_hosts = ["login.microsoftonline.com"]', "is a login host. Remove"),
        ('inspected_hosts = ["a.login.live.com"]', "is a login host. Remove"),
    ],
    ids=["too many", "a login host", "below one"],
)
def test_names_that_no_authority_can_hold_are_a_mistake(tmp_path: Path, text: str, problem: str) -> None:
    file = written(tmp_path, text)
    with pytest.raises(PolicyError) as error:
        review(file, None)
    assert str(error.value).startswith(f"{file}: ")
    assert problem in str(error.value)
    rules = load_rules(None, file)
    with pytest.raises(AuthorityError):
        issue(tmp_path / "authority", decrypted(tmp_path), local_now(rules))


def test_a_policy_that_looks_into_nothing_is_right(tmp_path: Path) -> None:
    file = written(tmp_path, NAMELESS)
    assert review(file, None).names == 0
    assert issue(tmp_path / "authority", decrypted(tmp_path), local_now(load_rules(None, file))).hosts == (NOTHING,)


def test_a_mistake_in_the_file_is_the_one_of_its_room(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"cannot be read"):
        review(tmp_path / "none.toml", None)
    with pytest.raises(texts.TextsError):
        review(written(tmp_path, 'language = "fy"'), None)


def test_a_policy_is_checked_with_the_imported_catalogue_that_it_believes(tmp_path: Path) -> None:
    config = bundles.organisation(tmp_path, '[service.newcomer]\nstatus = "contracted"\n')
    (tmp_path / "state").mkdir()
    editions.store_bundle(tmp_path / "state", bundles.signed(), editions.Pointer())
    assert review(config, None, tmp_path / "state").decided == 1
    with pytest.raises(PolicyError, match=r"service\.newcomer: is not in the catalogue"):
        review(config, None)
    bundles.organisation(tmp_path, '[service.newcomer]\nstatus = "contracted"\n', keys=())
    with pytest.raises(PolicyError, match=r"service\.newcomer: is not in the catalogue"):
        review(config, None, tmp_path / "state")
