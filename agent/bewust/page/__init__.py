"""The employee's page, the PAC file and the status, served on the agent's own port.

Belongs here: HTTP, and what each page shows. Not here: what the agent does (`AgentView` is all that is known of it).
"""

from typing import TYPE_CHECKING

from bewust.lazy_exports import lazy_exports

__all__ = ["AgentView", "Login", "Page", "Recent", "Status"]

if TYPE_CHECKING:
    from bewust.page.application import Page
    from bewust.page.shown import AgentView, Login, Recent, Status
else:
    __getattr__ = lazy_exports(
        __name__, AgentView="shown", Login="shown", Page="application", Recent="shown", Status="shown"
    )
