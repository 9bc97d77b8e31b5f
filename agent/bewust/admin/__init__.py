"""`bewust admin`: the one privileged helper, with the same verbs on every platform.

Belongs here: what a machine is changed by, and how each change is taken back. Not here: the agent.
It runs as root or SYSTEM, at an installer's word or an administrator's, and ends.
"""

from typing import TYPE_CHECKING

from bewust.lazy_exports import lazy_exports

__all__ = ["Choices", "Machine", "Step", "install", "status", "uninstall"]

if TYPE_CHECKING:
    from bewust.admin.steps import Choices, Machine, Step, install, status, uninstall
else:
    __getattr__ = lazy_exports(
        __name__, Choices="steps", Machine="steps", Step="steps", install="steps", status="steps", uninstall="steps"
    )
