"""What a request must be before it changes something, and what every answer says to the browser.

Belongs here: origins, form tokens, limits and headers. Any site in the same browser can send a form to
this port, and any program of another login can open it; neither may snooze or delete for a person.
"""

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

from bewust.errors import BewustError

FORM_LIMIT = 4 << 10  # bytes; our own forms are under 200
FORM_TYPE = "application/x-www-form-urlencoded"
_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; {script}form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)


class RefusedError(BewustError):
    """A form that is not accepted: `status` is the HTTP status, `words` the key of what to say."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status
        self.words = words


def headers(*, script: bool = False) -> dict[str, str]:
    """Return the headers of an answer; `script` allows the page our own script file."""
    return {
        "Content-Security-Policy": _POLICY.format(script="script-src 'self'; " if script else ""),
        "X-Content-Type-Options": "nosniff",
        # Not no-referrer: that makes browsers send our own forms with the origin "null".
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-store",
    }


def form_token(secret: str, who: int, purpose: str) -> str:
    """Return what a form must carry to do something for this person; it says nothing of the secret."""
    return hmac.new(secret.encode(), f"{who}:{purpose}".encode(), hashlib.sha256).hexdigest()


def is_proven(secret: str, who: int, purpose: str, given: str) -> bool:
    """Whether a form carried the right token; takes as long for a wrong one."""
    return hmac.compare_digest(form_token(secret, who, purpose).encode(), given.encode("utf-8", "replace"))


def check_origin(request: Request, port: int) -> None:
    """Raise RefusedError for a form that another site's page sent."""
    origin = request.headers.get("origin")
    if origin is not None and origin != f"http://127.0.0.1:{port}":
        raise RefusedError(403, "error.foreign")
    if request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        raise RefusedError(403, "error.foreign")


async def read_form(request: Request) -> Mapping[str, str]:
    """Return the fields of a posted form. Raises RefusedError for one too large, or of another kind."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM_TYPE:
        raise RefusedError(415, "error.form")
    body = b""
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > FORM_LIMIT:
                raise RefusedError(413, "error.form")
        return dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=16))
    except (ValueError, ClientDisconnect) as error:
        raise RefusedError(400, "error.form") from error
