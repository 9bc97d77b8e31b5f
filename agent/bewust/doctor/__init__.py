"""`bewust doctor`: is what should be in force in force, and what is to be done where it is not.

Belongs here: looking, and what was found in words. Not here: printing, or mending anything: a doctor
changes nothing on the machine.
"""

from typing import TYPE_CHECKING

from bewust.lazy_exports import lazy_exports

__all__ = ["DoctorContext", "Finding", "Verdict", "run_checks"]

if TYPE_CHECKING:
    from bewust.doctor.examination import run_checks
    from bewust.doctor.finding import DoctorContext, Finding, Verdict
else:
    __getattr__ = lazy_exports(
        __name__, DoctorContext="finding", Finding="finding", Verdict="finding", run_checks="examination"
    )
