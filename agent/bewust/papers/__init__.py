"""The papers that IT is asked for, made from the configuration in force: Markdown, HTML that prints, an SBOM.

Belongs here: what they say and how they look. A value that the organisation has not given is a marked blank,
never a guess.
"""

from typing import TYPE_CHECKING

from bewust.lazy_exports import lazy_exports

__all__ = ["PapersError", "write"]

if TYPE_CHECKING:
    from bewust.papers.writing import PapersError, write
else:
    __getattr__ = lazy_exports(__name__, PapersError="writing", write="writing")
