"""What is kept for how long: a period that ended becomes a report, and then its counters are gone.

Belongs here: the one path from counters to a sealed report, and when each thing is deleted. Not here:
how a report is made private (randomise) or written (delivery). The clock is an argument.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from bewust.config import Policy
from bewust.statistics import formats, randomise
from bewust.statistics.counters import period_end
from bewust.statistics.delivery import DeliveryError, deliver
from bewust.statistics.formats import Report
from bewust.statistics.randomise import BudgetError, Random
from bewust.statistics.storage import Contents, Store

SEALED_DAYS = 90  # a report is kept so long after its period, in case a share was away


def close_periods(store: Store, policy: Policy, now: datetime, random: Random) -> str | None:
    """Seal the periods that ended, delete what is old; return what went wrong, in words.

    Counters of a period that ended are deleted whatever happens: where no report may be made of them
    there is none.
    """
    problem = None
    kept = store.contents()
    for period in sorted({key.period for key in kept.counts}):
        if period_end(period) > now.date():
            continue
        if _is_old(period, now):  # the machine was off for months: nobody waits for it, and it shall cost nothing
            store.close_period(period, None, {})
            continue
        try:
            randomise.check_budget(kept.ledger, period, policy)
            services = kept.domains.get(period, policy.release.services)
            line = formats.encode(randomise.randomise_period(kept.counts, period, services, policy, random))
            store.close_period(period, line, randomise.epsilons(policy, period))
        except BudgetError as error:
            store.close_period(period, None, {})
            problem = str(error)
        except (ValueError, ArithmeticError) as error:  # keepers that are gone, an epsilon that is none
            store.close_period(period, None, {})
            problem = f"{period}: no report could be made ({error}). Its counters are deleted all the same."
        kept = store.contents()
    fresh = {period for period in kept.sealed if not _is_old(period, now)}
    # A period that ends with a year is sealed in the next one, and counts in its own.
    store.retain(fresh, {str((now - timedelta(days=back)).isocalendar().year) for back in (0, 35)})
    return problem


def draft(kept: Contents, policy: Policy, random: Random) -> Report | None:
    """Return what the newest period would release if it ended now; a draft of a draw, and no more.

    Raises ValueError where no report can be made of it.
    """
    period = max((key.period for key in kept.counts), default=None)
    if period is None:
        return None
    services = kept.domains.get(period, policy.release.services)
    return randomise.randomise_period(kept.counts, period, services, policy, random)


def _is_old(period: str, now: datetime) -> bool:
    return now.date() - period_end(period) > timedelta(days=SEALED_DAYS)


def deliver_due(sealed: Mapping[str, str], folder: Path) -> str | None:
    """Write the reports that are due; return what went wrong, in words."""
    try:
        deliver(sealed, folder)
    except (DeliveryError, OSError) as error:
        return str(error)
    return None
