"""Why a request is, or is not, what it looks like: every rule of its host, and where it fell.

Belongs here: the reasons, as values and as words. Not here: deciding (detection.requests), or printing.
"""

import re
from collections.abc import Iterable, Sequence

import msgspec

from bewust.catalogue.matching import Matcher, Rule
from bewust.model import ANY_HOST, Content, Level, Observation, Signature

# The clauses in the order in which they are tried: the later one fell, the nearer it was.
_ORDER = ("path", "method", "websocket", "query", "header")
_PIECES = re.compile(r"\\(.)|\.\.\*|\.\*|\.(?![+?{])", re.DOTALL)  # what globs become
# Words in a name that make a person think of AI or translation; what has one and is not catalogued is said to be so.
_TELLING = re.compile(
    r"(?:^|[.-])(?:ai|gpt|chatgpt|openai|llm|copilot|gemini|claude|mistral|chatbot|translate|translator)(?:[.-]|$)|gpt|openai"
)


class Trial(msgspec.Struct, frozen=True):
    """One rule tried on one request: `fell` names the first clause that did not hold, None where all did."""

    rule: Rule
    fell: str | None

    @property
    def match_score(self) -> int:
        """How far the rule got; the largest is the nearest miss."""
        return len(_ORDER) + 1 if self.fell is None else _ORDER.index(self.fell.partition(" ")[0])


def trials(seen: Observation, matcher: Matcher) -> list[Trial]:
    """Return every rule of the request's host with what came of it; none where the host is not catalogued."""
    plan = matcher.find(seen.host)
    return [Trial(rule, rule.mismatch_reason(seen)) for rule in plan.visits + plan.rules] if plan else []


def nearest(tried: Iterable[Trial]) -> Trial | None:
    """Return the rule for a use that got furthest; the catalogue's order decides among equals.

    A rule for any host that fell says nothing about this one.
    """
    uses = [trial for trial in tried if trial.rule.signature.level is Level.USE]
    uses = [trial for trial in uses if trial.fell is None or ANY_HOST not in trial.rule.signature.hosts]
    return max(uses, key=lambda trial: trial.match_score, default=None)


def looks_like_ai(host: str) -> bool:
    """Whether a host's name alone would make a person think of AI or of a translator."""
    return host.endswith(".ai") or _TELLING.search(host) is not None


def reason(trial: Trial, seen: Observation) -> str:
    """Return in words what came of a rule: what was asked and what was there, without any text of a person."""
    signature = trial.rule.signature
    if trial.fell is None:
        return f"needs {required_content(signature)}" if signature.needs_response else "holds"
    clause, _, name = trial.fell.partition(" ")
    match clause:
        case "path":
            why = f"must be {glob_of_regex(signature.path or '')}"
        case "method":
            why = f"is {seen.method}, must be {' or '.join(signature.methods)}"
        case "websocket":
            why = "must be one" if signature.websocket else "must be none"
        case "query":
            wanted = signature.query[name]
            there = "has another value" if name in seen.query else "is not there"
            why = "must not be there" if wanted is None else f"{there}, must be {glob_of_regex(wanted)}"
        case _:
            why = f"must be {glob_of_regex(signature.headers[name])}"
    return f"{trial.fell}: {why}"


def required_content(signature: Signature) -> str:
    """Return in words what a rule still needs once its request fits."""
    if signature.body is not None:
        return f"in the request's body {alternatives(signature.body)}"
    if signature.frame is not None:
        who = "browser" if signature.frame.sent else "site"
        return f"in a message of the {who} {alternatives(signature.frame.content)}"
    assert signature.response is not None
    types = " or ".join(signature.response.types)
    return f"in a response of {types} {alternatives(signature.response)}"


def alternatives(content: Content) -> str:
    """Return the markers of a content as a sentence: all groups, any marker of each."""
    groups = [" or ".join(str(marker) for marker in group) for group in content.groups]
    return " and ".join(f"({group})" if " or " in group and len(groups) > 1 else group for group in groups)


def glob_of_regex(pattern: str) -> str:
    """Return a regular expression nearly as the catalogue's author wrote it: globs as globs."""
    return _PIECES.sub(_piece, pattern)


def _piece(match: re.Match[str]) -> str:
    if match[1] is not None:
        return match[0] if match[1].isalnum() else match[1]
    return {".*": "*", "..*": "?*", ".": "?"}[match[0]]


def clauses(signature: Signature) -> Sequence[tuple[str, str]]:
    """Return each clause of a signature with what it asks, for people."""
    found = [("hosts", ", ".join(signature.hosts))]
    if signature.methods:
        found.append(("method", " or ".join(signature.methods)))
    if signature.path is not None:
        found.append(("path", glob_of_regex(signature.path)))
    if signature.websocket is not None:
        found.append(("websocket", "yes" if signature.websocket else "no"))
    for name, wanted in signature.query.items():
        found.append((f"query {name}", "not there" if wanted is None else glob_of_regex(wanted)))
    found.extend((f"header {name}", glob_of_regex(wanted)) for name, wanted in signature.headers.items())
    if signature.needs_response:
        found.append(("needs", required_content(signature)))
    return found
