"""Scoring any torch network with the suite's proxies."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from trainfree.errors import TrainfreeError, UnknownNameError
from trainfree.library.inputs import Inputs
from trainfree.library.mini_batch import Blocks, Loss, MiniBatch, Output
from trainfree.library.models import Model, drawn_model, named_models, place_of, usable_device
from trainfree.library.record import provenance, weights_hash
from trainfree.outside.foreign import shown, whole_number
from trainfree.outside.process_state import unchanged
from trainfree.progress import track
from trainfree.proxies import PROXY_NAMES, load_proxy
from trainfree.proxies.registry import Proxy, ProxyFunction, registered, registered_names

if TYPE_CHECKING:
    import pandas as pd
    import torch
    from torch import nn

    from trainfree.scoring.candidate import CheckedCandidate
    from trainfree.scoring.settings.initialization import Initialization
    from trainfree.scoring.status import Status


def score(
    models: Model | Mapping[str, Model],
    images: Inputs,
    labels: Any = None,
    *,
    loss: Loss | None = None,
    output: Output | None = None,
    proxies: Sequence[str | ProxyFunction] | None = None,
    seeds: int = 0,
    seed: int = 0,
    initialization: Initialization | None = None,
    blocks: Blocks | None = None,
    device: str | torch.device | None = None,
    progress: bool = False,
) -> pd.DataFrame:
    """Score torch networks at initialisation, or with their current weights, on one mini-batch.

    The models, the images and the state of the process (random generators, gradient mode,
    threads, determinism flags) are restored afterwards, however the call ends. Networks are run
    with batch statistics in batch normalisation and without dropout, whatever mode they are in.

    Parameters
    ----------
    models
        A module, a function without arguments that returns one, or a mapping from names to these.
        A module is copied. A function is called once per draw, and once before that, with
        separately seeded random generators, so that its weights come from its own initialisation.
    images
        A mini-batch of B inputs: a tensor or an array (B, …), a tuple or list of them (positional
        arguments) or a dictionary (keyword arguments). Floating-point inputs are converted to
        the type of the model's parameters, and all are moved to its device. Integer images (uint8)
        are rejected for a model that computes with them: normalise them as for training.
    labels
        Class numbers, (B,), or (B, height, width) for a loss by pixel, or what ``loss`` takes.
        Proxies that need labels are undefined without any.
    loss
        A function of the output, or of output and labels, that returns a scalar tensor.
        By default the mean cross-entropy.
    output
        Which part of the returned value is the output: a key, an index or a function. By
        default the tensor itself, or the first tensor of a tuple or dictionary.
    proxies
        Names of proxies, or functions decorated with :func:`trainfree.proxy`. By default all of
        the suite's, see :func:`trainfree.proxies`.
    seeds
        How often the weights are redrawn: score and spread are computed over these draws. 0: score
        once, with the current weights.
    seed
        Root seed of the first draw; later draws use the following numbers. It determines all
        random numbers.
    initialization
        How weights are drawn, for all proxies: ``"pytorch"`` (each layer's own), ``"xavier"``,
        ``"kaiming"`` or ``"normal"``. ``"pytorch"`` does not change the weights of a function's
        module. By default ``"pytorch"``; but if the weights of a module are redrawn for a proxy
        that declares its authors' initialisation, that one. The images are always yours.
    blocks
        Names of submodules whose outputs end the stem and each block, for proxies that use
        blocks; or such a list by model. By default blocks end where all paths of the network meet.
    device
        Where to compute; by default where each model is.
    progress
        Whether to show progress on standard error.

    Returns
    -------
    pandas.DataFrame
        A row for each model and proxy: ``model``, ``proxy``, ``score`` (higher is better for all;
        the mean over the draws), ``spread`` (their standard deviation, NaN of a single one),
        ``status`` (``ok``, ``singular`` for −∞, ``overflow``, ``not_finite``, ``out_of_memory``,
        ``error``, ``undefined``), ``message`` (why there is no number, else empty) and
        ``seconds`` (the time of one draw for this proxy alone). If any draw failed,
        the score is NaN. ``attrs`` contains the provenance: versions, hashes of code, images and
        weights, seeds, device, threads.

    Raises
    ------
    ModelError
        When a model, the images or the labels cannot be scored; says what to do.
    UnknownNameError
        When there is no such proxy; the message suggests the closest name.
    TrainfreeError
        When another argument is invalid.

    Examples
    --------
    >>> import torch
    >>> import trainfree
    >>> from torch import nn
    >>> def narrow():
    ...     return nn.Sequential(nn.Flatten(), nn.Linear(48, 32), nn.ReLU(), nn.Linear(32, 10))
    >>> def wide():
    ...     return nn.Sequential(nn.Flatten(), nn.Linear(48, 256), nn.ReLU(), nn.Linear(256, 10))
    >>> images = torch.randn(8, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    >>> table = trainfree.score(
    ...     {"narrow": narrow, "wide": wide}, images, seeds=3, proxies=["naswot", "snip"]
    ... )
    >>> table[["model", "proxy", "status", "message"]]
        model   proxy     status                        message
    0  narrow  naswot         ok
    1  narrow    snip  undefined  the mini-batch has no labels
    2    wide  naswot         ok
    3    wide    snip  undefined  the mini-batch has no labels
    >>> trainfree.rank(table, "naswot")["model"].tolist()
    ['wide', 'narrow']
    """
    import pandas as pd

    _check_numbers(seeds, seed, initialization)
    chosen = _chosen(proxies)
    with _exact():
        named = named_models(models)
        batch = MiniBatch.of(images, labels, loss, output, blocks, named)
        place = None if device is None else usable_device(device)

        def drawn(name: str, number: int, kind: Initialization) -> tuple[nn.Module, Sequence[str]]:
            made, kept = drawn_model(named[name], name, seed + number, kind, anew=seeds > 0)
            return (made if place is None else made.to(place)), kept

        kinds = {
            name: _kinds(model, chosen, initialization, anew=seeds > 0)
            for name, model in named.items()
        }

        hashes, devices, types = batch.hashes, [], {}
        for name in named:  # all of them, before hours are spent on the first
            for kind in kinds[name]:
                model, kept = drawn(name, 0, kind)
                batch.check(model, name)
                _warn_of(kept, model, name)
                of_kind = f"weights {name}" if len(kinds[name]) == 1 else f"weights {name} {kind}"
                hashes[of_kind] = weights_hash(model)
                where, types[name] = place_of(model)
                devices.append(where)
                del model
        draws = [(name, number) for name in named for number in range(max(seeds, 1))]
        judged: dict[str, list[list[_Judged]]] = {name: [] for name in named}
        for name, number in track(draws, "scoring") if progress else draws:
            found: dict[str, _Judged] = {}
            for kind, proxies_of in kinds[name].items():
                candidate = batch.candidate(drawn(name, number, kind)[0], name, seed + number)
                found |= _judged(candidate, proxies_of, name)
                del candidate
            judged[name].append([found[proxy.name] for proxy in chosen])
        rows = [
            {"model": name, "proxy": proxy.name, **_summary(of_proxy)}
            for name, of_draws in judged.items()
            for proxy, *of_proxy in zip(chosen, *of_draws, strict=True)
        ]
        settings = {
            "models": list(named),
            "proxies": [proxy.name for proxy in chosen],
            "seeds": seeds,
            "seed": seed,
            "initialization": initialization or "pytorch",
            "dtype": {name: str(kind).removeprefix("torch.") for name, kind in types.items()},
            **batch.settings,
            **_declared(kinds, initialization or "pytorch"),
        }
        attributes = provenance(settings, chosen, hashes, devices)
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table.attrs.update(attributes)
    return table


_INFINITE = "−∞ by definition: a singular kernel, or no weight reaches the output"
COLUMNS = ("model", "proxy", "score", "spread", "status", "message", "seconds")


class _Judged(NamedTuple):
    """What became of one proxy for one draw."""

    score: float
    status: Status
    message: str
    seconds: float


@contextmanager
def _exact() -> Iterator[None]:
    """Compute exactly and repeatably inside; the process is as it was behind the block."""
    import torch

    from trainfree.scoring.jobs.shard import compute_exactly

    with unchanged(), warnings.catch_warnings():
        for known in (".*[Dd]eterministic", "`torch.jit.script` is deprecated"):  # torch's own
            warnings.filterwarnings("ignore", message=known)
        compute_exactly()
        for kind in ("cpu", "cuda"):
            torch.set_autocast_enabled(kind, False)
        yield


def _kinds(
    model: Model, proxies: Sequence[Proxy], given: Initialization | None, *, anew: bool
) -> dict[Initialization, list[Proxy]]:
    """Return the proxies by how weights are drawn for them.

    What they declare counts where the suite draws weights and nobody said how.
    """
    from torch import nn

    draws = anew and isinstance(model, nn.Module)
    kinds: dict[Initialization, list[Proxy]] = {}
    for proxy in proxies:
        kind = given or (proxy.weights if draws else None) or "pytorch"
        kinds.setdefault(kind, []).append(proxy)
    return kinds


def _declared(
    kinds: Mapping[str, Mapping[Initialization, Sequence[Proxy]]], usual: str
) -> dict[str, Any]:
    """Return, for the provenance, how weights were drawn for those proxies that differ."""
    found = {
        name: {proxy.name: kind for kind, some in of.items() if kind != usual for proxy in some}
        for name, of in kinds.items()
    }
    return (
        {"weights": {name: some for name, some in found.items() if some}}
        if any(found.values())
        else {}
    )


def _judged(candidate: CheckedCandidate, proxies: Sequence[Proxy], name: str) -> dict[str, _Judged]:
    from trainfree.scoring.architectures.attempts import attempt

    return {proxy.name: _Judged(*attempt(candidate, proxy, name)) for proxy in proxies}


def _summary(draws: Sequence[_Judged]) -> dict[str, object]:
    """Return the columns of a row: over its draws, or of the first kind of failure."""
    from trainfree.scoring.status import Status

    failed = [draw for draw in draws if draw.status not in (Status.OK, Status.SINGULAR)]
    infinite = [draw for draw in draws if draw.status is Status.SINGULAR]
    status, value, spread, message = Status.OK, math.nan, math.nan, ""
    if told := failed or infinite:
        status = told[0].status
        value = math.nan if failed else -math.inf
        message = told[0].message or _INFINITE
        if len(told) < len(draws):
            message = f"{len(told)} of {len(draws)} draws: {message}"
    else:
        scores = [draw.score for draw in draws]
        value = math.fsum(scores) / len(scores)
        if len(scores) > 1:
            spread = math.sqrt(math.fsum((x - value) ** 2 for x in scores) / (len(scores) - 1))
    known = [draw.seconds for draw in draws if not math.isnan(draw.seconds)]
    return {
        "score": value,
        "spread": spread,
        "status": status.name.lower(),
        "message": message,
        "seconds": math.fsum(known) / len(known) if known else math.nan,
    }


def _chosen(proxies: Sequence[str | ProxyFunction] | None) -> list[Proxy]:
    """Return the proxies that were asked for, each once, in order."""
    if proxies is None:
        return [load_proxy(name) for name in PROXY_NAMES]
    if isinstance(proxies, str) or not isinstance(proxies, Sequence):
        raise TrainfreeError(
            f"proxies: expected a list of names or decorated functions, found {shown(proxies)}; "
            f"write [{shown(proxies)}]"
        )
    found = [load_proxy(one) if isinstance(one, str) else _decorated(one) for one in proxies]
    if not found:
        raise TrainfreeError("proxies: expected at least one, found an empty list")
    return list({proxy.name: proxy for proxy in found}.values())


def _decorated(function: object) -> Proxy:
    for name in registered_names():
        if registered(name).function is function:
            return registered(name)
    raise TrainfreeError(
        f"proxies: expected names or functions decorated with @trainfree.proxy(…), "
        f"found {shown(function)} {getattr(function, '__name__', '')}".rstrip()
    )


def _check_numbers(seeds: object, seed: object, initialization: str | None) -> None:
    """Refuse numbers of draws, root seeds and initialisations that there are not."""
    from trainfree.scoring.settings.initialization import Initialization

    for argument, value in (("seeds", seeds), ("seed", seed)):
        number = whole_number(value)
        if number is None or number < 0:
            raise TrainfreeError(
                f"{argument}: expected a whole number from 0 on, found {shown(value)}"
            )
    if initialization not in (None, *get_args(Initialization)):
        raise UnknownNameError("initialization", str(initialization), get_args(Initialization))


def _warn_of(kept: Sequence[str], model: nn.Module, name: str) -> None:
    """Say which parameters have the same values in all draws."""
    if not kept:
        return
    of = len(list(model.parameters()))
    some = ", ".join(kept[:3]) + (", …" if len(kept) > 3 else "")
    warnings.warn(
        f"model {name!r}: {len(kept)} of {of} parameters were not redrawn, since no module's "
        f"reset_parameters() sets them ({some}); pass a function that builds the model to have "
        "its own initialisation in each draw",
        stacklevel=3,
    )
