"""A registry in memory, that writes down nothing of anybody's."""

from contextlib import ExitStack

from bewust.admin.record import Data, Record
from bewust.admin.windows.registry import NUMBER, TEXT


class Hive:
    """`failing` is a part of a key at which writing fails."""

    def __init__(self) -> None:
        self.held: dict[str, dict[str, tuple[object, int]]] = {"SOFTWARE": {}, r"SOFTWARE\Policies": {}}
        self.failing: str | None = None

    def value(self, key: str, name: str) -> tuple[object, int] | None:
        return self.held.get(key, {}).get(name)

    def names(self, key: str) -> list[str]:
        return list(self.held.get(key, {}))

    def values(self, key: str) -> list[tuple[str, object, int]]:
        if key not in self.held:
            raise FileNotFoundError(2, "absent", key)
        return [(name, *value) for name, value in self.held[key].items()]

    def keys(self, key: str) -> list[str]:
        if key not in self.held:
            raise FileNotFoundError(2, "absent", key)
        below = [one.removeprefix(key + "\\") for one in self.held if one.startswith(key + "\\")]
        return [one for one in below if "\\" not in one]

    def exists(self, key: str) -> bool:
        return key in self.held

    def put(self, key: str, name: str, data: Data) -> None:
        if self.failing and self.failing in key:
            raise PermissionError(13, "said no", key)
        parts = key.split("\\")
        for count in range(1, len(parts) + 1):
            self.held.setdefault("\\".join(parts[:count]), {})
        self.held[key][name] = (data, NUMBER if isinstance(data, int) else TEXT)

    def drop(self, key: str, name: str) -> None:
        del self.held[key][name]

    def drop_if_empty(self, key: str) -> None:
        if key in self.held and not self.held[key] and not any(one.startswith(key + "\\") for one in self.held):
            del self.held[key]


class Place:
    """What a step of the registry needs of a machine; `remembered` counts how often the record was written."""

    def __init__(self) -> None:
        self.registry, self.record = Hive(), Record()
        self.remembered = 0

    def remember(self, back: ExitStack) -> None:
        self.remembered += 1
