"""Commands of the system that a step runs: their output, or one line that says what went wrong.

Belongs here: running one, whatever the platform. Not here: which ones, and where a platform keeps them.
"""

import subprocess

from bewust.errors import AdminError


def run(command: tuple[str, ...], *, path: str, locale: str, seconds: float, account: str | None = None) -> str:
    """Run a command found on `path`, as another account where one is given; return what it wrote.

    Nothing of our own environment reaches it. Raises AdminError.
    """
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds, check=False, stdin=subprocess.DEVNULL,
            user=account, group=account, extra_groups=[] if account else None, cwd="/",
            env={"PATH": path, "LC_ALL": locale},
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AdminError(f"{command[0]}: cannot be run ({error}). Mend that, and run the same again.") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise AdminError(f"{' '.join(command)}: {said[-1] if said else f'exit code {done.returncode}'}")
    return done.stdout
