"""The PAC file, from the compiled catalogue and the policy.

Belongs here: who is routed where. What is not in its lists never reaches the agent.
"""

import base64
import json
from collections.abc import Iterable

from bewust.catalogue import Matcher
from bewust.model import Depth

PAC_TYPE = "application/x-ns-proxy-autoconfig"

HEAD = "// Bewust: "  # how each begins
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


def data_url(pac_file: str) -> str:
    """Return the PAC file as a `data:` URL, which needs no server; Chromium ignores `file:`."""
    return f"data:{PAC_TYPE};base64,{base64.b64encode(pac_file.encode()).decode()}"


def _table(hosts: Iterable[str]) -> str:
    return json.dumps(dict.fromkeys(hosts, 1), indent=1)
