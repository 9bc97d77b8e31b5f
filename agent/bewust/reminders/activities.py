"""What counts as one use: where an activity of a person ends.

The time is an argument. People are opaque numbers that live in memory only.
"""

from datetime import datetime, timedelta

ACTIVITIES_LIMIT = 10_000  # a hundred people on one terminal server, a hundred services each


class Activities:
    """Says whether a sign of use begins an activity or goes on with one."""

    def __init__(self) -> None:
        self._last: dict[tuple[int, str, str], datetime] = {}

    def is_new_activity(self, who: int, service: str, kind: str, gap: float, now: datetime) -> bool:
        """Record the sign; True where none of its kind came from this person within `gap` seconds before.

        A clock set back must not make a person look new for ever, so a gap counts both ways.
        """
        key = (who, service, kind)
        last = self._last.get(key)
        self._last[key] = now
        if len(self._last) > ACTIVITIES_LIMIT:
            self._forget(now)
        return last is None or abs(now - last) >= timedelta(seconds=gap)

    def _forget(self, now: datetime) -> None:
        """Drop what no gap can reach any more; where all of it is fresh, the oldest half."""
        newest = sorted(self._last.items(), key=lambda item: item[1])[ACTIVITIES_LIMIT // 2 :]
        self._last = {key: at for key, at in newest if now - at < timedelta(days=1)}
