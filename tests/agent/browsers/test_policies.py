"""Our keys in others' policies: laid in and taken out again, whatever else is there."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bewust.browsers import policies

PAC, ROOT = "http://127.0.0.1:8787/proxy.pac", "/var/lib/bewust/root.pem"
values = st.recursive(st.none() | st.booleans() | st.text(max_size=5), lambda v: st.lists(v, max_size=3), max_leaves=4)
names = st.text(max_size=8).filter(lambda name: name != "Proxy")  # where there is one, a test says so
others = st.dictionaries(names, values, max_size=4)
installs = st.lists(st.sampled_from(["/etc/corp.pem", "/x.pem"]), min_size=1, unique=True)
theirs = st.builds(
    lambda base, install, more: base | ({"Certificates": {"Install": install, "x": more}} if install else {}),
    others, st.none() | installs, values,
)  # fmt: skip


@given(theirs)
def test_taken_out_is_what_was_before(table: dict[str, Any]) -> None:
    laid = policies.with_ours(table, PAC, ROOT)
    assert ROOT in laid["Certificates"]["Install"] and laid["Proxy"] == policies.firefox_proxy(PAC)
    assert policies.with_ours(laid, PAC, ROOT) == laid
    assert policies.without_ours(laid, PAC, ROOT, None) == table


@given(theirs, st.dictionaries(st.text(max_size=4), values, min_size=1))
def test_a_proxy_that_ours_stood_in_for_comes_back(table: dict[str, Any], proxy: dict[str, Any]) -> None:
    before = table | {"Proxy": proxy}
    assert policies.foreign_firefox_proxy(before, PAC)
    assert policies.without_ours(policies.with_ours(before, PAC, ROOT), PAC, ROOT, proxy) == before


@given(theirs)
def test_another_proxy_set_after_ours_is_left(table: dict[str, Any]) -> None:
    changed = policies.with_ours(table, PAC, ROOT) | {"Proxy": {"Mode": "system"}}
    assert policies.without_ours(changed, PAC, ROOT, {"Mode": "none"})["Proxy"] == {"Mode": "system"}


def test_lists_that_others_lay_together_stay_so() -> None:
    table = policies.chromium(PAC, "cm9vdA==", {policies.MERGED: ["URLBlocklist", 3]})
    assert table[policies.MERGED] == ["URLBlocklist", "CACertificates"]
    assert table["CACertificates"] == ["cm9vdA=="]
    assert policies.chromium(PAC, "x", {policies.MERGED: "*"})[policies.MERGED] == ["CACertificates"]


def test_any_key_about_the_proxy_is_somebodys_decision() -> None:
    assert policies.foreign_proxy({"HomepageLocation": "x"}, PAC) is None
    assert policies.foreign_proxy({"ProxySettings": policies.chromium_proxy(PAC)}, PAC) is None
    assert policies.foreign_proxy({"ProxySettings": policies.chromium_proxy(PAC + "?")}, PAC) == "ProxySettings"
    for key in policies.CHROMIUM_PROXY:
        assert policies.foreign_proxy({key: "x"}, PAC) == key
