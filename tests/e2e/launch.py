"""Runs one agent as a process of its own for tests and the demonstration.

The product takes an injected resolver and an extra root only from Python (app.Settings), never from
an option or a policy, so this is the one place that hands them in. Writes one JSON line when it has
started and one for each reminder, shown or held.
"""

import asyncio
import json
import os
import sys

import msgspec

from bewust.config import policy
from bewust.config.rules import load_or_last_good
from bewust.daemon import app
from bewust.daemon.app import Agent
from bewust.daemon.serve import serve
from bewust.daemon.state import Settings
from bewust.durations import Duration
from bewust.proxy.inspector import Inspector
from bewust.reminders.schedule import Reminder, Suppressed

app.FILES_POLL_SECONDS = 0.2  # a test does not wait half a minute
app.DRAIN_SECONDS = 0.2


if "INSPECTOR" in os.environ:  # one with a fault of its own
    assert Inspector.__init__.__kwdefaults__ is not None
    Inspector.__init__.__kwdefaults__["command"] = (sys.executable, "-P", "-O", os.environ["INSPECTOR"])


def _say(what: Reminder | Suppressed) -> None:
    print(json.dumps({"type": type(what).__name__.lower(), **msgspec.to_builtins(what)}), flush=True)


def main() -> None:
    settings = msgspec.json.decode(sys.argv[1], type=Settings, dec_hook=lambda kind, value: kind(value))
    if "FLUSH_SECONDS" in os.environ:  # less than a policy may say
        often, laid_over = Duration(f"{os.environ['FLUSH_SECONDS']}s"), policy.load_over
        policy.load_over = lambda found: msgspec.structs.replace(laid_over(found), flush=often)
    agent = Agent(settings, load_or_last_good(settings.config, settings.state), on_reminder=_say)
    asyncio.run(serve(agent))


if __name__ == "__main__":
    main()
