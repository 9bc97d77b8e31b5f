"""The browsers that Bewust knows, one row each: where every platform keeps its policies, and how it is found.

The one table of them: the installers' steps, the profile for Macs, the packages' triggers, `bewust doctor`, the support
bundle and `bewust browse` follow from it, so that a further browser is a row. Belongs here: facts that a maker
documents. Not here: what a policy says (admin.policies), reading or writing one.

Sources: the administrators' pages of Chromium ("Linux Quick Start", "Mac Quick Start", "Windows Quick Start"), Chrome
Enterprise, Microsoft Edge, Brave and Mozilla's policy-templates; Vivaldi's policy templates for the registry, and its
bundle identifier. What is not documented is None: Chromium for Windows has no official build, and for Vivaldi on Linux
three folders are named by others and none by its maker.
"""

from enum import StrEnum
from typing import NamedTuple


class Family(StrEnum):
    """Whose policies a browser takes."""

    CHROMIUM = "chromium"
    FIREFOX = "firefox"


class Linux(NamedTuple):
    """One way a browser is installed on Linux. Paths are without the leading slash; any of `programs` means present.

    `folder` holds its policies: .json files for a Chromium, policies.json for a Firefox, which reads one of `older`
    only where that is absent. `variant` tells a package such as a snap from the ordinary one.
    """

    programs: tuple[str, ...]
    folder: str
    variant: str = ""
    older: tuple[str, ...] = ()


class Windows(NamedTuple):
    """`key` of its policies below HKEY_LOCAL_MACHINE; its `program` as App Paths has it.

    `file` is a policy file below %ProgramFiles% that the key counts over; "" for none.
    """

    key: str
    program: str
    file: str = ""


class MacOS(NamedTuple):
    """The `domain` of its managed preferences, and its application below /Applications."""

    domain: str
    application: str


class Browser(NamedTuple):
    """A browser. `id` is in identifiers of ours and never changes; `commands` start it on a PATH, the best first."""

    id: str
    name: str
    family: Family
    commands: tuple[str, ...] = ()
    linux: tuple[Linux, ...] = ()
    windows: Windows | None = None
    macos: MacOS | None = None


KNOWN = (
    Browser(
        "chromium", "Chromium", Family.CHROMIUM, ("chromium", "chromium-browser"),
        (Linux(("usr/bin/chromium", "usr/bin/chromium-browser"), "etc/chromium/policies/managed"),
         Linux(("snap/bin/chromium",), "etc/chromium-browser/policies/managed", "snap")),
        None, MacOS("org.chromium.Chromium", "Chromium.app"),
    ),
    Browser(
        "chrome", "Google Chrome", Family.CHROMIUM, ("google-chrome",),
        (Linux(("opt/google/chrome/chrome",), "etc/opt/chrome/policies/managed"),),
        Windows(r"SOFTWARE\Policies\Google\Chrome", "chrome.exe"), MacOS("com.google.Chrome", "Google Chrome.app"),
    ),
    Browser(
        "edge", "Microsoft Edge", Family.CHROMIUM, ("microsoft-edge",),
        (Linux(("opt/microsoft/msedge/msedge",), "etc/opt/edge/policies/managed"),),
        Windows(r"SOFTWARE\Policies\Microsoft\Edge", "msedge.exe"), MacOS("com.microsoft.Edge", "Microsoft Edge.app"),
    ),
    Browser(
        "brave", "Brave", Family.CHROMIUM, ("brave-browser",),
        (Linux(("opt/brave.com/brave/brave",), "etc/brave/policies/managed"),),
        Windows(r"SOFTWARE\Policies\BraveSoftware\Brave", "brave.exe"), MacOS("com.brave.Browser", "Brave Browser.app"),
    ),
    Browser(
        "vivaldi", "Vivaldi", Family.CHROMIUM, ("vivaldi-stable", "vivaldi"), (),
        Windows(r"SOFTWARE\Policies\Vivaldi", "vivaldi.exe"), MacOS("com.vivaldi.Vivaldi", "Vivaldi.app"),
    ),
    Browser(
        "firefox", "Firefox", Family.FIREFOX, ("firefox-esr", "firefox"),
        (Linux(("usr/bin/firefox", "usr/bin/firefox-esr", "snap/bin/firefox"), "etc/firefox/policies", older=(
            "usr/lib/firefox/distribution/policies.json", "usr/lib/firefox-esr/distribution/policies.json",
            "usr/share/firefox/distribution/policies.json", "usr/share/firefox-esr/distribution/policies.json",
        )),),
        Windows(r"SOFTWARE\Policies\Mozilla\Firefox", "firefox.exe", "Mozilla Firefox/distribution/policies.json"),
        MacOS("org.mozilla.firefox", "Firefox.app"),
    ),
)  # fmt: skip
