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

from bewust import app, policy
from bewust.app import Agent
from bewust.durations import Duration
from bewust.reminders import Held, Reminder
from bewust.serving import serve
from bewust.settings import in_force
from bewust.state import Settings
from bewust.supervision import Inspector

app.WATCH_SECONDS = 0.2  # a test does not wait half a minute
app.DRAIN_SECONDS = 0.2


if "INSPECTOR" in os.environ:  # one with a fault of its own
    assert Inspector.__init__.__kwdefaults__ is not None
    Inspector.__init__.__kwdefaults__["command"] = (sys.executable, "-P", "-O", os.environ["INSPECTOR"])


def _say(what: Reminder | Held) -> None:
    print(json.dumps({"type": type(what).__name__.lower(), **msgspec.to_builtins(what)}), flush=True)


def main() -> None:
    settings = msgspec.json.decode(sys.argv[1], type=Settings, dec_hook=lambda kind, value: kind(value))
    if "FLUSH_SECONDS" in os.environ:  # less than a policy may say
        often, laid_over = Duration(f"{os.environ['FLUSH_SECONDS']}s"), policy.laid_over
        policy.laid_over = lambda found: msgspec.structs.replace(laid_over(found), flush=often)
    agent = Agent(settings, in_force(settings.config, settings.state), on_reminder=_say)
    asyncio.run(serve(agent))


if __name__ == "__main__":
    main()
