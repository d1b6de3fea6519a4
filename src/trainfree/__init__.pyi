# What type checkers see of ``trainfree``, whose names are imported when they are first used.
import pandas as pd

from trainfree.library.batches import batch as batch
from trainfree.library.correlation import correlate as correlate
from trainfree.library.opening import open_benchmark as open_benchmark
from trainfree.library.opening import open_scores as open_scores
from trainfree.library.ranking import rank as rank
from trainfree.library.scoring import score as score
from trainfree.library.spaces import space as space
from trainfree.proxies.registry import proxy as proxy

__version__: str
__all__ = [
    "__version__",
    "batch",
    "correlate",
    "open_benchmark",
    "open_scores",
    "proxies",
    "proxy",
    "rank",
    "score",
    "space",
]

def proxies() -> pd.DataFrame: ...
