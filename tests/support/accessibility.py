"""What a page must not do to those who read it: axe, and an overflow."""

from pathlib import Path

from playwright.sync_api import Page as Tab

AXE = Path(__file__).parents[1] / "e2e" / "axe" / "axe.min.js"


# A whole answer is large; what a person needs of it is which rule, and where.
RUN_AXE = """axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]})
    .then(found => found.violations.map(v => v.id + ": " + v.nodes.map(n => n.target.join(" ")).join(", ")))"""


OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def axe(tab: Tab) -> list[str]:
    # Through the debugging protocol, past the page's own policy, which would refuse a foreign script.
    tab.evaluate(AXE.read_text(encoding="utf-8") + ";0")
    found: list[str] = tab.evaluate(RUN_AXE)
    return found
