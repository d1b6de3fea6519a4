"""trainfree: a reproducible benchmark suite for training-free neural architecture search.

As a library it scores any torch network:

>>> import trainfree
>>> import torch
>>> from torch import nn
>>> model = nn.Sequential(nn.Flatten(), nn.Linear(48, 16), nn.ReLU(), nn.Linear(16, 10))
>>> images = torch.randn(8, 3, 4, 4, generator=torch.Generator().manual_seed(0))
>>> table = trainfree.score(model, images, proxies=["params", "relu_units"])
>>> table[["proxy", "score", "status"]]
        proxy  score status
0      params  954.0     ok
1  relu_units   16.0     ok

``dir(trainfree)`` lists what there is. A name is imported when it is first used, so that the
package costs nothing by itself: no torch, pandas or xarray.
"""

from pathlib import Path as _Path

# Not in code, so that a new version computes no scores anew: a code hash covers this file.
__version__ = (_Path(__file__).parent / "VERSION").read_text(encoding="utf-8").strip()

# As texts: what is imported here would be part of every code hash (see provenance.py).
_PLACES = {
    "batch": "trainfree.library.batches",
    "correlate": "trainfree.library.correlation",
    "open_benchmark": "trainfree.library.opening",
    "open_scores": "trainfree.library.opening",
    "proxy": "trainfree.proxies.registry",
    "rank": "trainfree.library.ranking",
    "score": "trainfree.library.scoring",
    "space": "trainfree.library.spaces",
}
__all__ = [*_PLACES, "__version__", "proxies"]


def __getattr__(name: str) -> object:
    """Import what is asked for; ``proxies`` is a package that can be called."""
    from importlib import import_module

    if name == "proxies":
        return import_module("trainfree.proxies")
    if name not in _PLACES:
        raise AttributeError(f"module 'trainfree' has no attribute {name!r}")
    found = getattr(import_module(_PLACES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """Return the names of the library."""
    return sorted(__all__)
