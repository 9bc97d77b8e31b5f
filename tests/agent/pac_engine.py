"""A PAC file as a JavaScript engine runs it."""

from collections.abc import Iterable

import quickjs


def answers(pac: str, asked: Iterable[tuple[str, str]]) -> list[str]:
    """What FindProxyForURL answers to each (url, host)."""
    context = quickjs.Context()
    context.set_time_limit(10)
    context.eval(pac)
    find = context.get("FindProxyForURL")
    return [str(find(url, host)) for url, host in asked]


def answer(pac: str, host: str) -> str:
    """What it answers for https and this host."""
    return answers(pac, [(f"https://{host}/", host)])[0]
