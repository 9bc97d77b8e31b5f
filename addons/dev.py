"""For development: `mitmdump -s addons/dev.py` runs our addons in the ordinary mitmdump.

It prints what the inspector would tell the front. Not part of the wheel; nothing imports it.
"""

from bewust.catalogue import compile_services, loading
from bewust.config import policy
from bewust_addons.recognition import Recognition

_rules = policy.load()
_matcher = compile_services(loading.load(countries=_rules.countries), _rules.depth_of)

addons = [Recognition(_matcher, _rules.internal_hosts, print, print)]
