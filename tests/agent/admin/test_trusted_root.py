"""Which root may be trusted: one that can speak for no other names, or the organisation's own."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bewust.admin import trusted_root
from bewust.authority import authority
from bewust.authority.authority import AuthorityError
from bewust.config.rules import load_rules
from support.linux_machine import unconstrained


def test_only_a_root_that_is_limited_to_the_decrypt_list_unless_somebody_vouches(tmp_path: Path) -> None:
    matcher = load_rules(None).matcher
    made = authority.issue(tmp_path / "ours", matcher.decrypted_hosts(), datetime.now(UTC)).root_pem.read_bytes()
    wide = authority.issue(tmp_path / "wide", ["www.example.org"], datetime.now(UTC)).root_pem.read_bytes()
    assert trusted_root.checked_root(made, tmp_path, matcher)
    with pytest.raises(AuthorityError, match=r"www\.example\.org"):
        trusted_root.checked_root(wide, tmp_path, matcher)
    theirs = unconstrained()
    (tmp_path / trusted_root.ORGANISATION).write_bytes(theirs)
    assert trusted_root.checked_root(theirs, tmp_path, matcher)
    with pytest.raises(AuthorityError, match="is not the root of this machine's authority"):
        trusted_root.checked_root(made, tmp_path, matcher)
