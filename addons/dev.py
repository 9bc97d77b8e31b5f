"""For development: `mitmdump -s addons/dev.py` runs our addons in the ordinary mitmdump.

It prints what the inspector would tell the front. Not part of the wheel; nothing imports it.
"""

from bewust import catalogue, policy
from bewust.matching import compile_services
from bewust_addons.traffic import Traffic

_rules = policy.load()
_matcher = compile_services(catalogue.load(countries=_rules.countries), _rules.depth_of)

addons = [Traffic(_matcher, _rules.internal_hosts, print, print)]
