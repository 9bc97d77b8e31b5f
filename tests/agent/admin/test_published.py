"""Which root may be trusted: one that can speak for no other names, or the organisation's own."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.admin.played import unconstrained
from bewust import authority
from bewust.admin import published
from bewust.authority import AuthorityError
from bewust.settings import load_rules


def test_only_a_root_that_is_limited_to_the_decrypt_list_unless_somebody_vouches(tmp_path: Path) -> None:
    matcher = load_rules(None).matcher
    made = authority.issue(tmp_path / "ours", matcher.decrypted_hosts(), datetime.now(UTC)).root_pem.read_bytes()
    wide = authority.issue(tmp_path / "wide", ["www.example.org"], datetime.now(UTC)).root_pem.read_bytes()
    assert published.checked(made, tmp_path, matcher)
    with pytest.raises(AuthorityError, match=r"www\.example\.org"):
        published.checked(wide, tmp_path, matcher)
    theirs = unconstrained()
    (tmp_path / published.ORGANISATION).write_bytes(theirs)
    assert published.checked(theirs, tmp_path, matcher)
    with pytest.raises(AuthorityError, match="is not the root of this machine's authority"):
        published.checked(made, tmp_path, matcher)
