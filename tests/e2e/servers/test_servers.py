"""What comes without Bewust comes with it, and what does not come does not: each site, each client, step by step."""

from collections.abc import Collection, Iterator, Sequence

import pytest

from e2e.servers.cases import CASES, HEADS, Case
from e2e.servers.clients import Outcome
from e2e.servers.walk import MEANT, Meant, Way, compare, differences, ways

# Firefox walks those heads that are known to occur; all of them in `make walk`.
OCCUR = {"length-twice", "length-and-chunked", "no-colon", "blank-in-name", "blank-line-before", "value-ends-in-blank"}
LEFT_OUT = {case.name for case in HEADS if case.name.partition("head-")[2] not in OCCUR}
type Ways = tuple[Way, Way]


def of(client: str, left_out: Collection[str] = ()) -> Sequence[Case]:
    return [case for case in CASES if client in case.clients and case.name not in left_out]


def started(client: str) -> Iterator[Ways]:
    try:
        with ways(client, of(client)) as made:
            yield made
    except PermissionError:
        pytest.skip("port 443 on loopback cannot be opened")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Ways]:
    yield from started("chromium")


@pytest.fixture(scope="module")
def firefox() -> Iterator[Ways]:
    yield from started("firefox")


@pytest.fixture(scope="module")
def curl() -> Iterator[Ways]:
    yield from started("curl")


def same(case: Case, both: Ways) -> None:
    found = compare(case, *both)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("case", of("chromium"), ids=str)
def test_chromium_gets_the_same_with_and_without_bewust(case: Case, chromium: Ways) -> None:
    same(case, chromium)


@pytest.mark.parametrize("case", of("firefox", LEFT_OUT), ids=str)
def test_firefox_gets_the_same_with_and_without_bewust(case: Case, firefox: Ways) -> None:
    same(case, firefox)


@pytest.mark.parametrize("case", of("curl"), ids=str)
def test_curl_gets_the_same_with_and_without_bewust(case: Case, curl: Ways) -> None:
    same(case, curl)


def test_only_what_is_meant_may_differ() -> None:
    page = Outcome((200, (("a", "1"),), 5, "sum", ""))
    other_head, other_body = Outcome((200, (), 5, "sum", "")), Outcome((200, (("a", "1"),), 5, "mus", ""))
    error, hangs = Outcome(failed="error"), Outcome(failed="hangs")
    for one, other in ((page, other_head), (page, other_body), (page, error), (error, page), (error, hangs)):
        assert differences([page, one], [page, other])
    assert not differences([page, error], [page, Outcome(failed="error", said="in other words")])
    heads = Meant("", heads=True)
    assert not differences([page], [other_head], heads) and differences([page], [other_body], heads)
    assert not differences([page], [error], Meant("", fails=True)) and differences(
        [error], [page], Meant("", fails=True)
    )
    assert not differences([hangs], [page], Meant("", comes=True)) and differences(
        [page], [error], Meant("", comes=True)
    )
    assert set(MEANT) <= {case.name for case in CASES}
