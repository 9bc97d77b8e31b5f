"""The PAC file, from the compiled catalogue and the policy.

Belongs here: who is routed where. What is not in its lists never reaches the agent.
"""

import base64
import json
import re
from collections.abc import Iterable

from bewust.matching import Matcher
from bewust.model import Depth

PAC_TYPE = "application/x-ns-proxy-autoconfig"

# Chromium hands over https URLs without their path, and so does this need no more than the host.
_PAC = """\
// Bewust: these names go to the agent on this machine; everything else goes its own way, unseen.
var exact = {exact};
var below = {below};
var direct = {direct};
function isDirect(host) {{
  if (direct.hasOwnProperty(host)) return true;
  for (var dot = host.indexOf("."); dot >= 0; dot = host.indexOf(".", dot + 1))
    if (direct.hasOwnProperty("*" + host.slice(dot))) return true;
  return {plain} && host.indexOf(".") < 0 && host.indexOf(":") < 0;
}}
function FindProxyForURL(url, host) {{
  host = host.toLowerCase();
  if (host.charAt(host.length - 1) === ".") host = host.slice(0, -1);
  if (isDirect(host)) return "DIRECT";
  if (url.substring(0, 6) !== "https:" && url.substring(0, 4) !== "wss:") return "{fallback}";
  if (exact.hasOwnProperty(host)) return "PROXY 127.0.0.1:{port}; {fallback}";
  for (var dot = host.indexOf("."); dot >= 0; dot = host.indexOf(".", dot + 1))
    if (below.hasOwnProperty(host.slice(dot + 1))) return "PROXY 127.0.0.1:{port}; {fallback}";
  return "{fallback}";
}}
"""


def pac(matcher: Matcher, port: int, upstream: str = "", direct: Iterable[str] = ()) -> str:
    """Return the PAC file: catalogued hosts to the agent, https and wss only, the rest its own way.

    That way is the organisation's proxy `upstream` where it has one, save for `direct` (a name, or `*.`
    and one) and names without a dot, which are of its own network.
    """
    fallback = f"PROXY {upstream.removeprefix('http://')}" if upstream else "DIRECT"
    hosts = matcher.hosts(*Depth)
    return _PAC.format(
        exact=_table(host for host in hosts if not host.startswith("*.")),
        below=_table(host[2:] for host in hosts if host.startswith("*.")),
        port=port,
        direct=_table(direct),
        plain=json.dumps(bool(upstream)),
        fallback=json.dumps(fallback)[1:-1],
    )


_SERVED = re.compile(
    r"var exact = (?P<exact>\{[^{}]*\});\nvar below = (?P<below>\{[^{}]*\});\nvar direct = (?P<direct>\{[^{}]*\});\n"
    r".*  return (?P<plain>true|false) && .*"
    r'return (?P<ours>"PROXY 127\.0\.0\.1:[0-9]+; [^\n]*");\n.*return (?P<fallback>"[^\n]*");\n\}\n\Z',
    re.DOTALL,
)


def routed(pac_file: str, host: str) -> str:
    """Return what a PAC file made here answers for https and this host: "PROXY 127.0.0.1:8787; DIRECT".

    Read back from its tables, so no JavaScript runs. ValueError for a file that is not made here.
    """
    found = _SERVED.search(pac_file)
    if found is None:
        raise ValueError("a PAC file that Bewust did not make")
    exact, below, direct = (json.loads(found[name]) for name in ("exact", "below", "direct"))
    name = host.lower().removesuffix(".")
    labels = name.split(".")
    above = [".".join(labels[i:]) for i in range(1, len(labels))]
    plain = found["plain"] == "true" and not {".", ":"} & set(name)
    if plain or name in direct or any(f"*.{host}" in direct for host in above):
        return "DIRECT"
    ours = name in exact or any(host in below for host in above)
    return str(json.loads(found["ours" if ours else "fallback"]))


def data_url(pac_file: str) -> str:
    """Return the PAC file as a `data:` URL, which needs no server; Chromium ignores `file:`."""
    return f"data:{PAC_TYPE};base64,{base64.b64encode(pac_file.encode()).decode()}"


def _table(hosts: Iterable[str]) -> str:
    return json.dumps(dict.fromkeys(hosts, 1), indent=1)
