"""Many releases -> what a security team decides on: tables, a report, metrics.

Needs the extra bewust[fleet]; nothing that runs on a workstation imports this package.
"""

from typing import TYPE_CHECKING

from bewust.lazy_exports import lazy_exports

__all__ = ["Cell", "Findings", "FleetError", "ReportSet"]

if TYPE_CHECKING:
    from bewust.fleet.estimates import Cell
    from bewust.fleet.findings import Findings
    from bewust.fleet.reading import FleetError, ReportSet
else:
    __getattr__ = lazy_exports(
        __name__, Cell="estimates", Findings="findings", FleetError="reading", ReportSet="reading"
    )
