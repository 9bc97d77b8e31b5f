"""The organisation's decisions: status, depth, schedule, contacts. TOML -> one frozen Policy.

Belongs here: what may be decided and its checks, each mistake a `PolicyError`. Not here: acting on it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from fractions import Fraction
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import msgspec
import tomli

from bewust.catalogue import Matcher, compile_services
from bewust.catalogue.loading import DEFAULT_COUNTRIES
from bewust.config import checks, layers
from bewust.config import languages as config_languages
from bewust.config.checks import BackOff, Budget, Daily, Host, Hours, Language, Mailbox, Pause, Span, Upstream, WebLink
from bewust.config.platform_policy import Layer, LayerError
from bewust.durations import NEXT_DAY, Duration, Step, decode, encode
from bewust.errors import CONFIG, BewustError
from bewust.model import Context, Depth, Level, Service, Status

Mechanism = Literal["local", "split"]
Agreement = Literal["agreed", "refused", "unknown"]
# Privacy of one report, by block: a release has no more than these (reports.BLOCKS). Under local for
# four weeks, 2 in all; under split for a week, 1 in all.
EPSILONS: Mapping[Mechanism, Mapping[str, str]] = {
    "local": {"any": "1/2", "service": "1/1", "internal": "1/4", "reminder": "1/4"},
    "split": {"any": "1/5", "service": "1/2", "internal": "3/20", "reminder": "3/20"},
}
YEARLY: Mapping[Mechanism, str] = {"local": "28", "split": "53"}  # years of 53 weeks have 14 periods
PERIOD_WEEKS: Mapping[Mechanism, int] = {"local": 4, "split": 1}


def _keys(*names: str) -> msgspec.Meta:
    """Tell editors the keys of a table; that others are mistakes is checked elsewhere."""
    return msgspec.Meta(extra_json_schema={"propertyNames": {"enum": [str(name) for name in names]}})


def _span(text: str) -> Any:
    """Return a default; as a factory, because msgspec cannot write one of a type of ours into a JSON Schema."""
    return msgspec.field(default_factory=lambda: Duration(text))


class PolicyError(BewustError, ValueError):
    """A mistake in the policy: names the file, the key, what is wrong and what to do."""

    exit_code = CONFIG


class Decision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was decided about one service; without `depth` that is the default of its kind.

    The three conditions are what the supplier agreed to: not to share data, to delete it in time, not to
    train on it. `more` is a page of the organisation about the decision, such as its risk analysis.
    """

    status: Status = Status.UNKNOWN
    alternative: str = ""
    depth: Literal["name", "request", "response"] | None = None
    data_sharing: Agreement = "unknown"
    retention: Agreement = "unknown"
    training: Agreement = "unknown"
    more: WebLink = ""


class ContextRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What differs for one context: the `gap`, and how many reminders a day."""

    gap: Span | None = None
    daily: Daily | None = None


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
    gap: Span = _span("30m")
    internal_gap: Span = _span("30m")
    daily: Daily = 6
    daily_context: Daily = 3
    back_off: tuple[BackOff, ...] = msgspec.field(default_factory=lambda: (Step("30m"), Step("2h"), Step(NEXT_DAY)))
    recovery: Span = _span("3d")
    quiet: tuple[Hours, ...] = ()
    context: Annotated[Mapping[Context, ContextRules], _keys(*Context)] = {}


class PageRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the employee's page says of the organisation, "" for nothing, and what it lets them do.

    `guidelines` is an https address; `breach` one too, or a mailto: the way to the data-breach desk.
    `personal` says that each machine with a service has one user, who may see its counters.
    """

    organisation: str = ""
    guidelines: WebLink = ""
    breach: Mailbox = ""
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
    services: Annotated[tuple[str, ...], msgspec.Meta(extra_json_schema={"maxItems": 24, "uniqueItems": True})] = ()
    epsilon: Annotated[Mapping[str, checks.Fraction], _keys(*EPSILONS["local"])] = {}
    yearly: Budget = ""
    keepers: tuple[Keeper, ...] = ()


class NetworkRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Ways out: `upstream`, the organisation's own proxy or "", and `direct`, hosts reached without it."""

    upstream: Upstream = ""
    direct: tuple[Host, ...] = ()


class CatalogueRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose catalogues may be imported; `keys` are public, 32 bytes in base64 each."""

    keys: tuple[str, ...] = ()


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything an organisation decides; the defaults are those of policy.toml.

    `fill` holds what the placeholders of reminder texts stand for; an empty value means none.
    """

    language: Language = config_languages.DEFAULT
    timezone: str = "Europe/Amsterdam"
    countries: tuple[str, ...] = DEFAULT_COUNTRIES
    internal_hosts: tuple[checks.Host, ...] = ()
    inspected_hosts: tuple[checks.Host, ...] = ()
    mechanism: Mechanism = "local"
    flush: Span = _span("15m")
    demoted_for: Span = _span("24h")
    pause: Pause = _span("1h")
    reminders: ReminderRules = msgspec.field(default_factory=ReminderRules)
    page: PageRules = PageRules()
    release: ReleaseRules = ReleaseRules()
    network: NetworkRules = NetworkRules()
    catalogue: CatalogueRules = CatalogueRules()
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

    def known(self, service: Service, depth: Depth = Depth.RESPONSE) -> Depth | None:
        """Return how deep a service is really looked at, at most at `depth`; None where it is not seen at all."""
        allowed = min(depth, self.depth_of(service))
        counting = [s.depth for s in service.signatures if s.level is not Level.IGNORE]
        return max((depth for depth in counting if depth <= allowed), default=None)

    @property
    def epsilons(self) -> Mapping[str, str]:
        """What each block of a report costs, as fractions, in the order of reports.BLOCKS."""
        return self.epsilons_under(self.mechanism)

    @property
    def yearly_epsilon(self) -> Fraction:
        """What all reports of a year may cost together."""
        return self.yearly_under(self.mechanism)

    def epsilons_under(self, mechanism: Mechanism) -> Mapping[str, str]:
        """Return what each block of a report costs under a mechanism, which the policy may have left since."""
        return {**EPSILONS[mechanism], **self.release.epsilon}

    def yearly_under(self, mechanism: Mechanism) -> Fraction:
        """Return what all reports of a year may cost together under a mechanism."""
        return Fraction(self.release.yearly or YEARLY[mechanism])

    @property
    def zone(self) -> ZoneInfo:
        """The zone whose days and weeks count."""
        return ZoneInfo(self.timezone)


def load(overlay: Path | None = None) -> Policy:
    """Return the policy of all layers, those of `overlay` (a folder, or a policy file) over ours (layers.py)."""
    return load_over(read(overlay))


def read(overlay: Path | None = None) -> tuple[Layer, ...]:
    """Return the layers of a policy, the lowest first, each right by itself as far as types go."""
    try:
        return tuple(map(_typed, layers.read_layers(overlay)))
    except LayerError as error:
        raise PolicyError(str(error)) from error


def load_over(found: Sequence[Layer]) -> Policy:
    """Return the policy that layers make together."""
    table: dict[str, Any] = {}
    for layer in found:
        table = layers.merge(table, layer.table)
    policy = _converted(table)
    for key, problem in _mistakes(policy):
        raise PolicyError(f"{_layer_of_error(found, key, problem)}: {key}: {problem}")
    return policy


def _converted(table: Mapping[str, Any], *, strict: bool = True) -> Policy:
    return msgspec.convert(table, Policy, strict=strict, dec_hook=decode)


def as_table(policy: Policy) -> dict[str, Any]:
    """Return a policy as it would be written, every key in it."""
    table: dict[str, Any] = msgspec.to_builtins(policy, enc_hook=encode)
    return table


def packed(policy: Policy) -> msgspec.Raw:
    """Return a policy as JSON, for another process of ours."""
    return msgspec.Raw(msgspec.json.encode(policy, enc_hook=encode))


def unpacked(data: msgspec.Raw) -> Policy:
    """Return the policy that `packed` made."""
    return msgspec.json.decode(data, type=Policy, dec_hook=decode)


def _typed(layer: Layer) -> Layer:
    try:
        policy = _converted(layer.table, strict=not layer.loose)
    except msgspec.ValidationError as error:
        raise PolicyError(f"{layer.name}: {error}. docs/policy.md lists the keys and their values.") from error
    return layer._replace(table=_as_written(layer.table, as_table(policy))) if layer.loose else layer


def _as_written(table: Mapping[str, Any], typed: Mapping[str, Any]) -> dict[str, Any]:
    """Return of what has its right types the keys that were written."""
    return {
        key: _as_written(value, typed[key]) if isinstance(value, dict) else typed[key] for key, value in table.items()
    }


def _layer_of_error(found: Sequence[Layer], key: str, problem: str) -> str:
    """Return the first layer after which a mistake is there: what stands below it was right without it."""
    table: dict[str, Any] = {}
    for layer in found:
        table = layers.merge(table, layer.table)
        if (key, problem) in _mistakes(_converted(table)):
            return layer.name
    return found[-1].name


def _mistakes(policy: Policy) -> Iterator[tuple[str, str]]:
    """Yield the key of each mistake that the types leave open, with what is wrong and the remedy."""
    for key, problem in _values(policy):
        if problem is not None:
            yield key, problem
    if timedelta() < policy.flush < timedelta(minutes=1):
        yield "flush", f"{policy.flush.text!r} is too often. Use a minute or more."
    try:
        _ = policy.zone
    except (ValueError, OSError, KeyError):
        yield "timezone", f'{policy.timezone!r} is none. Write it like "Europe/Amsterdam".'
    for country in sorted(set(policy.countries) - set(every_country())):
        yield "countries", f'{country!r} is not in countries.toml. Write suffixes like "nl" or "co.uk".'
    if not policy.countries:
        yield "countries", 'is empty. List at least one, such as "nl".'
    yield from _mistaken_release(policy)
    if policy.catalogue.keys:
        from bewust.keys import publisher_key  # noqa: PLC0415 - most organisations have none

        yield from (("catalogue.keys", wrong) for wrong in _mistaken_keys(publisher_key, policy.catalogue.keys))


def _values(policy: Policy) -> Iterator[tuple[str, str | None]]:
    """Yield what each value has wrong by itself, with its key; None where that is nothing."""
    rules, page, release = policy.reminders, policy.page, policy.release
    durations = {"flush": policy.flush, "demoted_for": policy.demoted_for, "reminders.gap": rules.gap,
                 "reminders.internal_gap": rules.internal_gap, "reminders.recovery": rules.recovery}  # fmt: skip
    durations |= {f"reminders.context.{c}.gap": r.gap for c, r in rules.context.items() if r.gap is not None}
    most = {"reminders.daily": rules.daily, "reminders.daily_context": rules.daily_context}
    most |= {f"reminders.context.{c}.daily": r.daily for c, r in rules.context.items() if r.daily is not None}
    yield from ((key, checks.duration(text)) for key, text in durations.items())
    yield from (("reminders.back_off", checks.step(text)) for text in rules.back_off)
    yield from ((key, checks.daily(number)) for key, number in most.items())
    yield from (("reminders.quiet", checks.hours(text)) for text in rules.quiet)
    yield "language", checks.language(policy.language)
    yield "pause", checks.duration(policy.pause) if policy.pause.text else None
    yield "page.guidelines", checks.link(page.guidelines, "https://")
    yield "page.breach", checks.link(page.breach, "https://", "mailto:")
    yield from ((f"service.{id_}.more", checks.link(d.more, "https://")) for id_, d in policy.service.items())
    yield from (("internal_hosts", checks.host(host)) for host in policy.internal_hosts)
    yield from (("inspected_hosts", checks.host(host)) for host in policy.inspected_hosts)
    yield "network.upstream", checks.upstream(policy.network.upstream)
    yield from (("network.direct", checks.host(host)) for host in policy.network.direct)
    known = {block: text for block, text in release.epsilon.items() if block in EPSILONS["local"]}
    yield from ((f"release.epsilon.{block}", checks.fraction(text)) for block, text in known.items())
    yield "release.yearly", checks.budget(release.yearly)


def _mistaken_release(policy: Policy) -> Iterator[tuple[str, str]]:
    rules = policy.release
    for block in rules.epsilon:
        if block not in EPSILONS["local"]:
            yield "release.epsilon", f"{block!r} is no block. The blocks are {', '.join(EPSILONS['local'])}."
    if len(set(rules.services)) < len(rules.services) or len(rules.services) > 24:
        yield "release.services", "are more than 24, or one is there twice. The others are counted together."
    if rules.keepers:
        yield from _mistaken_keepers(rules.keepers)
    if policy.mechanism == "split" and len({keeper.key for keeper in rules.keepers}) != 2:
        yield "release.keepers", "under split there are two, with keys of their own. Each makes one: bewust keeper new."


def _mistaken_keepers(keepers: Iterable[Keeper]) -> Iterator[tuple[str, str]]:
    from bewust.keys import keeper_key  # noqa: PLC0415 - most organisations have no keepers

    for keeper in keepers:
        for wrong in _mistaken_keys(keeper_key, [keeper.key]):
            yield f"release.keepers {keeper.name!r}", wrong


def _mistaken_keys(parse: Callable[[str], object], texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        try:
            parse(text)
        except BewustError as error:
            yield str(error)


def every_country() -> tuple[str, ...]:
    """Return all suffixes that {country} in a catalogue host can stand for."""
    table = tomli.loads(files("bewust_config").joinpath("countries.toml").read_text("utf-8"))
    return tuple(table["suffixes"])


def check_services(policy: Policy, services: Iterable[Service], overlay: Path | None = None) -> None:
    """Refuse a decision about a service that the catalogue does not have: it would do nothing.

    `overlay` is where the policy was loaded from: which of its layers it is, is looked up for the message.
    """
    known = {service.id for service in services}
    named = [("release.services", name, f"{name!r} ") for name in policy.release.services]
    named += [(f"service.{name}", name, "") for name in policy.service]
    for key, name, said in named:
        if name not in known:
            file = layers.origin(read(overlay), key)
            raise PolicyError(f"{file}: {key}: {said}is not in the catalogue. Correct the id, or remove it.")
