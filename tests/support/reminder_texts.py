"""What the tests of texts and reminders share: services, detections, and texts to choose from."""

import msgspec

from bewust.config import texts
from bewust.model import Context, Detection, Level, Service

NL = texts.load("nl")
# Without what is said the first time only, so that a test of the rest need not count it in.
ORDINARY = msgspec.structs.replace(NL, text=tuple(text for text in NL.text if not text.explains))
FILLED = {"contact": "CIO", "meldpunt": "de servicedesk", "training": "de cursus", "tip": "-ai", "vertaler": "Firefox"}


def service(id_: str, context: Context = Context.CHAT, embedded: bool = False, name: str = "") -> Service:
    return Service(id_, name or id_, "A vendor", context, embedded, 10.0, "evidence", "2026-11-23", ())


SERVICES = {
    s.id: s
    for s in (
        service("chat"),
        service("chat-2"),
        service("chat-3"),
        service("answer", Context.SEARCH, embedded=True),
        service("translate", Context.TRANSLATION, embedded=True),
        service("translator", Context.TRANSLATION),
        service("office", Context.OFFICE, embedded=True),
        service("built-in-chat", Context.CHAT, embedded=True),
    )
}


def found(id_: str, level: Level = Level.USE, internal: bool = False) -> Detection:
    return Detection(id_, level, "signature", "file.toml", 1, internal)
