"""What a reasonable person writes first: an addon for `mitmdump -s` that searches URLs and texts.

It gets the product's own catalogue as one expression a signature, tries each on every URL, and
searches the text of every HTML answer for each marker. Nothing here is made slow on purpose.
"""

import re

from mitmproxy import ctx, http

from bewust.catalogue import loading

SERVICES = loading.load()


def _host(host: str) -> str:
    return re.escape(host).replace(r"\*", "[^/]+")


URLS = [
    (service.id, re.compile(f"^https?://(?:{'|'.join(map(_host, signature.hosts))})(?::\\d+)?{signature.path or '/'}"))
    for service in SERVICES
    for signature in service.signatures
]
TEXTS = [
    (
        service.id,
        re.compile("|".join(re.escape(marker.value) for marks in signature.response.groups for marker in marks)),
    )
    for service in SERVICES
    for signature in service.signatures
    if signature.response is not None
]


def request(flow: http.HTTPFlow) -> None:
    """Tell of a request to a service."""
    url = flow.request.pretty_url
    for service, rule in URLS:
        if rule.search(url):
            ctx.log.info(service)


def response(flow: http.HTTPFlow) -> None:
    """Tell of an answer with a service's marks."""
    assert flow.response is not None
    if "text/html" in flow.response.headers.get("content-type", ""):
        text = flow.response.text or ""
        for service, marks in TEXTS:
            if marks.search(text):
                ctx.log.info(service)
