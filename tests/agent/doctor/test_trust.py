"""The published root: limited, covering, and not about to end."""

from datetime import timedelta
from pathlib import Path

import pytest

from bewust.authority import authority
from bewust.doctor import trust
from bewust.doctor.finding import Verdict
from support.doctor import HOSTS, here, verdicts
from support.linux_machine import unconstrained


def test_an_authority_of_now_is_in_order(tmp_path: Path) -> None:
    found = verdicts(trust.check_trust(here(tmp_path)))
    assert found == dict.fromkeys(("authority", "authority-names", "authority-end"), Verdict.OK)


@pytest.mark.parametrize(("days", "verdict"), [(700, Verdict.DEGRADED), (669, Verdict.OK), (731, Verdict.BROKEN)])
def test_the_end_is_told_in_time(tmp_path: Path, days: int, verdict: Verdict) -> None:
    there = here(tmp_path)
    later = here(tmp_path, now=there.now + timedelta(days=days))
    assert verdicts(trust.check_trust(later))["authority-end"] is verdict


def test_a_root_without_limits_or_for_other_names_is_broken(tmp_path: Path) -> None:
    there = here(tmp_path)
    there.root_pem.write_bytes(unconstrained())
    assert verdicts(trust.check_trust(there)) == {"authority": Verdict.BROKEN}
    authority.issue(there.root_pem.parent, [*HOSTS, "mijn.overheid.nl"], there.now)
    (wide,) = trust.check_trust(there)
    assert wide.verdict is Verdict.BROKEN and "mijn.overheid.nl" in wide.what


def test_a_decrypt_list_that_grew_is_known_by_name_until_renewal(tmp_path: Path) -> None:
    there = here(tmp_path)
    authority.issue(there.root_pem.parent, HOSTS[1:], there.now)
    (finding,) = (one for one in trust.check_trust(there) if one.id == "authority-names")
    assert finding.verdict is Verdict.DEGRADED and HOSTS[0] in finding.what


def test_a_root_that_is_missing(tmp_path: Path) -> None:
    there = here(tmp_path, root_pem=tmp_path / "gone.pem")
    assert verdicts(trust.check_trust(there)) == {"authority": Verdict.UNKNOWN}
    there = here(tmp_path, root_pem=tmp_path / "gone.pem", managed=True)
    assert verdicts(trust.check_trust(there)) == {"authority": Verdict.BROKEN}


def test_a_root_that_may_not_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path) -> None:
        raise PermissionError(13, "Permission denied")

    there = here(tmp_path)
    monkeypatch.setattr(Path, "stat", refuse)
    assert verdicts(trust.check_trust(there)) == {"authority": Verdict.UNKNOWN}
