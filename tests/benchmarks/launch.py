"""`bewust ARGUMENTS`, in a world where names lead to this machine.

The product takes a resolver and an extra root only from Python, so this hands them in; everything
else is the command as a person starts it. First argument: the two, as JSON.
"""

import json
import sys
from functools import partial
from pathlib import Path

from bewust.cli import main
from bewust.daemon import state

if __name__ == "__main__":
    world = json.loads(sys.argv.pop(1))
    state.Settings = partial(  # type: ignore[misc,assignment]
        state.Settings, resolver=world["resolver"], trust=Path(world["trust"])
    )
    main.main()
