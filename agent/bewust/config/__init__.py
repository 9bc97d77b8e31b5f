"""What an organisation decides: policy, its layers, reminder texts, languages, and all of it with the catalogue.

Belongs here: reading and checking it. Not here: acting on it.
"""

from typing import TYPE_CHECKING

from bewust.lazy_exports import lazy_exports

__all__ = [
    "Chooser",
    "OffSwitch",
    "Policy",
    "PolicyError",
    "Rules",
    "Texts",
    "TextsError",
    "load_or_last_good",
    "load_rules",
]

if TYPE_CHECKING:
    from bewust.config.off_switch import OffSwitch
    from bewust.config.policy import Policy, PolicyError
    from bewust.config.rules import Rules, load_or_last_good, load_rules
    from bewust.config.texts import Chooser, Texts, TextsError
else:
    __getattr__ = lazy_exports(
        __name__,
        Chooser="texts",
        OffSwitch="off_switch",
        Policy="policy",
        PolicyError="policy",
        Rules="rules",
        Texts="texts",
        TextsError="texts",
        load_or_last_good="rules",
        load_rules="rules",
    )
