"""What a table of scores says of where it came from."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trainfree.files.storage import provenance_attributes
from trainfree.outside.extensions import outside_code
from trainfree.provenance import code_hash
from trainfree.proxies import PROXY_NAMES, module_of
from trainfree.proxies.extra import PROXY
from trainfree.proxies.registry import Proxy

if TYPE_CHECKING:
    import torch
    from torch import nn


def provenance(
    settings: Mapping[str, Any],
    proxies: Sequence[Proxy],
    hashes: Mapping[str, str],
    devices: Iterable[torch.device],
) -> dict[str, str | int]:
    """Return the attributes of a table of scores, the same as those of the suite's data files.

    Parameters
    ----------
    settings
        Everything that decides the scores, beside models and images.
    proxies
        Those that were asked.
    hashes
        Of images, labels and weights.
    devices
        Where the models were.
    """
    import torch

    from trainfree.scoring.jobs.devices import processor_name

    names = dict.fromkeys(
        torch.cuda.get_device_name(device) if device.type == "cuda" else processor_name()
        for device in devices
    )
    return provenance_attributes(
        settings=settings,
        code=_code(proxies),
        source_hashes=hashes,
        seed=settings["seed"],
        device=", ".join(names),
        threads=torch.get_num_threads(),
    )


def weights_hash(model: nn.Module) -> str:
    """Return the SHA-256 of a model's parameters and buffers with their names."""
    from trainfree.library.inputs import content_hash

    state = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    names = "\n".join(state)
    return hashlib.sha256(f"{names}\n{content_hash(list(state.values()))}".encode()).hexdigest()


def name_of(function: object) -> str:
    """Return a function of the user's by name and hash: two lambdas have the same name."""
    name = getattr(function, "__qualname__", type(function).__name__)
    return f"{getattr(function, '__module__', '')}.{name} {_source_hash(function)}"


def _code(proxies: Sequence[Proxy]) -> str:
    """Return the hash of the suite's code behind the scores, with that of proxies from outside."""
    names = [proxy.name for proxy in proxies]
    found = outside_code(PROXY, names)
    typed = {
        f"proxy {proxy.name}": _source_hash(proxy.function)
        for proxy in proxies
        if proxy.name not in PROXY_NAMES and f"proxy {proxy.name}" not in found
    }
    own = [module_of(name) for name in names if name in PROXY_NAMES]
    return code_hash("trainfree.library.scoring", *own, outside=found | typed)


def _source_hash(function: Any) -> str:
    """Return a hash of a function that was typed in, or a word where its text cannot be had."""
    try:
        lines, _ = inspect.getsourcelines(function)
    except (OSError, TypeError):
        return "unknown"
    code = getattr(function, "__code__", None)
    # Columns tell apart what stands on one line.
    columns = [] if code is None else [place[2:] for place in code.co_positions()]
    return hashlib.sha256(repr(("".join(lines), columns)).encode()).hexdigest()[:16]
