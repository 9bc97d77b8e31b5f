"""What the inspector and the process of the front tell each other: one JSON object a line, told apart by `type`.

`peer` is the port from which the front connected, never anything about a person.
"""

from collections.abc import Mapping
from typing import Annotated

import msgspec

from bewust.model import Detection

PLACE = r"^([A-Za-z0-9_]{1,40}:[0-9]{1,6}(, )?){0,2}$"


class Detected(msgspec.Struct, frozen=True, tag="detected"):
    """A detection on a decrypted connection."""

    peer: int
    detection: Detection


class Seen(msgspec.Struct, frozen=True, tag="seen"):
    """An opportunity: a page was looked at in which `service` could have been."""

    peer: int
    service: str


class Demoted(msgspec.Struct, frozen=True, tag="demoted"):
    """`host` refuses to be inspected and is known by name from now on; with `one_program` only for the program
    that did not accept our certificate. For `seconds`, and never longer than the policy says; 0: as long as it says."""

    host: str
    reason: str
    one_program: bool = False
    seconds: Annotated[float, msgspec.Meta(ge=0)] = 0


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """Our own code failed in `where`; the flow passed. `error` is a class name, never a text, and `place` modules
    and lines of our code or a library's (`failures.place_of`)."""

    where: str
    error: str
    place: Annotated[str, msgspec.Meta(pattern=PLACE)] = ""


class Alive(msgspec.Struct, frozen=True, tag="alive"):
    """The inspector's event loop answers; `port` is where its proxy listens, on loopback."""

    port: Annotated[int, msgspec.Meta(ge=1, le=65535)]


Message = Detected | Seen | Demoted | Failed | Alive


class Start(msgspec.Struct, frozen=True, tag="start"):
    """The first line the inspector reads; everything it needs to know. `imported` is the bundle of the
    catalogue in force, None for the shipped one. `policy` is what is in force, all layers laid over each other
    (policy.packed); of the folder `config` only the services are read.

    `resolver` maps a real name to "address:port" and `trust` names a file of extra roots for
    upstream servers: both are for the demonstration and the tests and have no policy key. `secret` is what
    the front shows at each connection.
    """

    authority: str
    secret: str = ""
    config: str | None = None
    resolver: Mapping[str, str] = {}
    trust: str | None = None
    imported: str | None = None
    policy: msgspec.Raw = msgspec.Raw(b"{}")


class Ping(msgspec.Struct, frozen=True, tag="ping"):
    """The front asks whether the inspector's event loop still turns; `Alive` is the answer."""
