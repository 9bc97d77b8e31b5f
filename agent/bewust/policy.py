"""The organisation's decisions: status, depth, schedule, contacts. TOML -> one frozen Policy.

Belongs here: what may be decided and its checks. Not here: acting on it. Every mistake is one
`PolicyError` that names the file, the key and the remedy.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec
import tomli

from bewust.catalogue import DEFAULT_COUNTRIES
from bewust.matching import Matcher, compile_services
from bewust.model import Context, Depth, Service, Status
from bewust.schema import normalise_host, parse_duration

Mechanism = Literal["local", "split"]
Agreement = Literal["agreed", "refused", "unknown"]
NEXT_DAY = "next day"
# Privacy of one report, by block: a release has no more than these (reports.BLOCKS). Under local for
# four weeks, 2 in all; under split for a week, 1 in all.
EPSILONS: Mapping[Mechanism, Mapping[str, str]] = {
    "local": {"any": "1/2", "service": "1/1", "internal": "1/4", "reminder": "1/4"},
    "split": {"any": "1/5", "service": "1/2", "internal": "3/20", "reminder": "3/20"},
}
YEARLY: Mapping[Mechanism, str] = {"local": "28", "split": "53"}  # years of 53 weeks have 14 periods
PERIOD_WEEKS: Mapping[Mechanism, int] = {"local": 4, "split": 1}
LONGEST = 366 * 86400.0  # seconds; far above any sensible schedule, far below what a clock can add
_HOURS = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]-(?:[01][0-9]|2[0-3]):[0-5][0-9]")
_FRACTION = re.compile(r"[1-9][0-9]{0,3}/[1-9][0-9]{0,3}")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")  # it becomes part of a file name


class PolicyError(ValueError):
    """A mistake in the policy: names the file, the key, what is wrong and what to do."""


class Decision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was decided about one service; `depth` None means the default of its kind.

    The three conditions are what the supplier agreed to: not to share data, to delete it in time, not to
    train on it. `more` is a page of the organisation about the decision, such as its risk analysis.
    """

    status: Status = Status.UNKNOWN
    alternative: str = ""
    depth: Literal["name", "request", "response"] | None = None
    data_sharing: Agreement = "unknown"
    retention: Agreement = "unknown"
    training: Agreement = "unknown"
    more: str = ""


class ContextRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What differs for one context: `gap` as in ReminderRules, and how many reminders a day."""

    gap: str | None = None
    daily: int | None = None


class ReminderRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a reminder may come; durations are texts such as "30m", days those of the organisation.

    `gap`: least time between two of one context, `internal_gap` between two strong ones. `daily` in all
    and `daily_context` in one context. `back_off`: after the first, second, ... reminder of one service
    the next one of it waits so long, after the last of the list always; "next day" is until midnight.
    `recovery`: a service not used for so long starts anew. `quiet`: hours such as "18:00-08:00".
    `silent`: nothing is shown, what would have been is counted.
    """

    enabled: bool = True
    silent: bool = False
    gap: str = "30m"
    internal_gap: str = "30m"
    daily: int = 6
    daily_context: int = 3
    back_off: tuple[str, ...] = ("30m", "2h", NEXT_DAY)
    recovery: str = "3d"
    quiet: tuple[str, ...] = ()
    context: Mapping[Context, ContextRules] = {}


class PageRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the employee's page says of the organisation, "" for nothing, and what it lets them do.

    `guidelines` is an https address; `breach` one too, or a mailto: the way to the data-breach desk.
    `personal` says that each machine with a service has one user, who may see its counters.
    """

    organisation: str = ""
    guidelines: str = ""
    breach: str = ""
    delete: bool = True
    personal: bool = False


class Keeper(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of the two who add up shares under `split`; `key` is public, 32 bytes in base64."""

    name: str
    key: str


class ReleaseRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What leaves a machine. `epsilon` by block and `yearly` are fractions; "" and {} mean the default.

    `folder` is where sealed reports are written, "" for nowhere. `services` are those that a release
    names, at most 24; the others are one cell together.
    """

    folder: str = ""
    services: tuple[str, ...] = ()
    epsilon: Mapping[str, str] = {}
    yearly: str = ""
    keepers: tuple[Keeper, ...] = ()


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything an organisation decides; the defaults are those of policy.toml.

    `fill` holds what the placeholders of reminder texts stand for; an empty value means none.
    """

    language: str = "nl"
    timezone: str = "Europe/Amsterdam"
    countries: tuple[str, ...] = DEFAULT_COUNTRIES
    internal_hosts: tuple[str, ...] = ()
    inspected_hosts: tuple[str, ...] = ()
    mechanism: Mechanism = "local"
    flush: str = "15m"
    demoted_for: str = "24h"
    reminders: ReminderRules = ReminderRules()
    page: PageRules = PageRules()
    release: ReleaseRules = ReleaseRules()
    fill: Mapping[str, str] = {}
    service: Mapping[str, Decision] = {}

    def decision(self, service: str) -> Decision:
        """Return what was decided about a service; the status of one not listed is unknown."""
        return self.service.get(service, Decision())

    def compiled(self, services: Sequence[Service]) -> Matcher:
        """Return the services' rules as far as this policy lets them look."""
        return compile_services(services, self.depth_of, self.inspected_hosts)

    def depth_of(self, service: Service) -> Depth:
        """Return how deep to look: into embedded services, at the name of the others."""
        decided = self.decision(service.id).depth
        if decided is not None:
            return Depth.parse(decided)
        return Depth.RESPONSE if service.embedded else Depth.NAME

    @property
    def epsilons(self) -> Mapping[str, str]:
        """What each block of a report costs, as fractions, in the order of reports.BLOCKS."""
        return {**EPSILONS[self.mechanism], **self.release.epsilon}

    @property
    def yearly_epsilon(self) -> Fraction:
        """What all reports of a year may cost together."""
        return Fraction(self.release.yearly or YEARLY[self.mechanism])

    @property
    def flush_seconds(self) -> float:
        """Seconds between two writings of the store; what a crash may lose."""
        return parse_duration(self.flush)

    @property
    def zone(self) -> ZoneInfo:
        """The zone whose days and weeks count."""
        return ZoneInfo(self.timezone)


def load(overlay: Traversable | None = None) -> Policy:
    """Return the shipped policy with `overlay` (a folder, or a policy file) laid over it."""
    table = _table(files("bewust_config").joinpath("policy.toml"))
    if overlay is not None:
        theirs = overlay.joinpath("policy.toml") if overlay.is_dir() else overlay
        if theirs.is_file() or not overlay.is_dir():
            table = _merged(table, _table(theirs))
    return _policy(table, name(overlay))


def name(overlay: Traversable | None) -> str:
    """Return the file in which a mistake must be: theirs where there is one, for ours has none."""
    if overlay is None:
        return "policy.toml"
    return str(overlay.joinpath("policy.toml") if overlay.is_dir() else overlay)


def _table(file: Traversable) -> dict[str, Any]:
    try:
        return tomli.loads(file.read_bytes().decode("utf-8-sig"))  # Windows editors write a BOM
    except OSError as error:
        raise PolicyError(f"{file}: cannot be read ({error.strerror}). Check the name, owner and mode.") from error
    except (ValueError, RecursionError) as error:  # not only TOMLDecodeError: also a number too long
        raise PolicyError(f"{file}: is not TOML ({error}). Mend the line it names.") from error


def _merged(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(ours)
    for key, value in theirs.items():
        old = result.get(key)
        result[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result


def _policy(table: Mapping[str, Any], file: str) -> Policy:
    try:
        policy = msgspec.convert(table, Policy)
    except msgspec.ValidationError as error:
        raise PolicyError(f"{file}: {error}. docs/policy.md lists the keys and their values.") from error
    for key, problem in _mistakes(policy):
        raise PolicyError(f"{file}: {key}: {problem}")
    return policy


def _mistakes(policy: Policy) -> Iterator[tuple[str, str]]:
    """Yield the key of each mistake that the types leave open, with what is wrong and the remedy."""
    rules = policy.reminders
    durations = {"flush": policy.flush, "demoted_for": policy.demoted_for, "reminders.gap": rules.gap,
                 "reminders.internal_gap": rules.internal_gap, "reminders.recovery": rules.recovery}  # fmt: skip
    durations |= {f"reminders.context.{c}.gap": r.gap for c, r in rules.context.items() if r.gap is not None}
    steps = [("reminders.back_off", text) for text in rules.back_off if text != NEXT_DAY]
    for key, text in [*durations.items(), *steps]:
        if not 0 < parse_duration(text) <= LONGEST:
            yield key, f'{text!r} is no duration up to a year. Write it like "15m", "2h" or "3d".'
    if policy.flush_seconds < 60:
        yield "flush", f"{policy.flush!r} is too often. Use a minute or more."
    try:
        _ = policy.zone
    except (ValueError, OSError, KeyError):
        yield "timezone", f'{policy.timezone!r} is none. Write it like "Europe/Amsterdam".'
    if not _LANGUAGE.fullmatch(policy.language):
        yield "language", f'{policy.language!r} is none. Write "nl" or "en", or the code of your own texts.'
    for country in sorted(set(policy.countries) - set(every_country())):
        yield "countries", f'{country!r} is not in countries.toml. Write suffixes like "nl" or "co.uk".'
    if not policy.countries:
        yield "countries", 'is empty. List at least one, such as "nl".'
    yield from _mistaken_reminders(rules)
    yield from _mistaken_links(policy)
    yield from _mistaken_hosts(policy)
    yield from _mistaken_release(policy)


def _mistaken_reminders(rules: ReminderRules) -> Iterator[tuple[str, str]]:
    most = {"daily": rules.daily, "daily_context": rules.daily_context}
    most |= {f"context.{c}.daily": r.daily for c, r in rules.context.items() if r.daily is not None}
    for key, number in most.items():
        if not 0 <= number <= 100:
            yield f"reminders.{key}", f"{number} is no number of reminders a day. Use 0 to 100."
    for hours in rules.quiet:
        if not _HOURS.fullmatch(hours) or hours[:5] == hours[6:]:
            yield "reminders.quiet", f'{hours!r} are no hours. Write them like "18:00-08:00".'


def _mistaken_links(policy: Policy) -> Iterator[tuple[str, str]]:
    """Links are followed by employees, so they lead to a site or a mailbox and to nothing that runs."""
    links = {"page.guidelines": (policy.page.guidelines, ("https://",)),
             "page.breach": (policy.page.breach, ("https://", "mailto:"))}  # fmt: skip
    links |= {f"service.{key}.more": (decided.more, ("https://",)) for key, decided in policy.service.items()}
    for key, (link, schemes) in links.items():
        plain = link.isprintable() and not re.search(r"[\s\"<>]|^https:/*$|^mailto:.*[?#]", link)
        if link and not (link.startswith(schemes) and plain):
            yield key, f"{link[:60]!r} is no {' or '.join(schemes)} address. Correct it, or leave it empty."


def _mistaken_hosts(policy: Policy) -> Iterator[tuple[str, str]]:
    for key, hosts in [("internal_hosts", policy.internal_hosts), ("inspected_hosts", policy.inspected_hosts)]:
        for host in hosts:
            if not host or normalise_host(host.removeprefix("*.")) != host.removeprefix("*."):
                yield key, f'{host!r} is no host name. Write a bare lower-case name like "intranet.example".'


def _mistaken_release(policy: Policy) -> Iterator[tuple[str, str]]:
    rules = policy.release
    for block, epsilon in rules.epsilon.items():
        if block not in EPSILONS["local"]:
            yield "release.epsilon", f"{block!r} is no block. The blocks are {', '.join(EPSILONS['local'])}."
        elif not _FRACTION.fullmatch(epsilon):
            yield f"release.epsilon.{block}", f'{epsilon!r} is no fraction. Write it like "1/2".'
    if rules.yearly and not re.fullmatch(r"[1-9][0-9]{0,3}(/[1-9][0-9]{0,3})?", rules.yearly):
        yield "release.yearly", f'{rules.yearly!r} is no budget. Write it like "26".'
    if len(set(rules.services)) < len(rules.services) or len(rules.services) > 24:
        yield "release.services", "are more than 24, or one is there twice. The others are counted together."
    if rules.keepers:
        yield from _mistaken_keepers(rules.keepers)
    if policy.mechanism == "split" and len({keeper.key for keeper in rules.keepers}) != 2:
        yield "release.keepers", "under split there are two, with keys of their own. Each makes one: bewust keeper new."


def _mistaken_keepers(keepers: Iterable[Keeper]) -> Iterator[tuple[str, str]]:
    from bewust.sharing import PublicKeyError, parse_key  # noqa: PLC0415 - most organisations have no keepers

    for keeper in keepers:
        try:
            parse_key(keeper.key)
        except PublicKeyError as error:
            yield f"release.keepers {keeper.name!r}", str(error)


def every_country() -> tuple[str, ...]:
    """Return all suffixes that {country} in a catalogue host can stand for."""
    table = _table(files("bewust_config").joinpath("countries.toml"))
    return tuple(table["suffixes"])


def check_services(policy: Policy, services: Iterable[Service], file: str = "policy.toml") -> None:
    """Refuse a decision about a service that the catalogue does not have: it would do nothing."""
    known = {service.id for service in services}
    for name in policy.release.services:
        if name not in known:
            raise PolicyError(
                f"{file}: release.services: {name!r} is not in the catalogue. Correct the id, or remove it."
            )
    for name in policy.service:
        if name not in known:
            raise PolicyError(f"{file}: service.{name}: is not in the catalogue. Correct the id, or remove it.")
