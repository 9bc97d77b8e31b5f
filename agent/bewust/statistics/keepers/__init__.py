"""The two keepers of `split`: their keys, the batches they add up, and the sum they publish."""

from typing import TYPE_CHECKING

from bewust.lazy_exports import lazy_exports

__all__ = ["Collected", "KeeperError", "KeeperKey", "Tally"]

if TYPE_CHECKING:
    from bewust.statistics.keepers.batches import Collected
    from bewust.statistics.keepers.keyfile import KeeperError, KeeperKey
    from bewust.statistics.keepers.sums import Tally
else:
    __getattr__ = lazy_exports(__name__, Collected="batches", KeeperError="keyfile", KeeperKey="keyfile", Tally="sums")
