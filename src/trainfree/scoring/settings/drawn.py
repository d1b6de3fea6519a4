"""Which mini-batch and which weights each proxy is computed on. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass, replace

from trainfree.drawing import Initialization, InputKind
from trainfree.proxies import load_proxy
from trainfree.scoring.settings.setting import Setting


@dataclass(frozen=True)
class Drawn:
    """What a proxy is computed on."""

    input: InputKind
    weights: Initialization


def drawn_for(setting: Setting, proxy: str) -> Drawn:
    """Return what a proxy is computed on under a setting.

    What the setting names for the proxy counts first, then what the proxy declares, then what the
    setting has for all. Files of proxies from outside have to be loaded.
    """
    declared = load_proxy(proxy)
    named_input, named_weights = dict(setting.inputs), dict(setting.weights)
    return Drawn(
        named_input.get(proxy) or declared.input or setting.input,
        named_weights.get(proxy) or declared.weights or setting.initialization,
    )


def parts_of(setting: Setting) -> list[Setting]:
    """Return a setting for all proxies that are computed on the same, in the order of the first.

    Their proxies share the passes over a network, and ``input`` and ``initialization`` are theirs.
    """
    alike: dict[Drawn, list[str]] = {}
    for proxy in setting.proxies:
        alike.setdefault(drawn_for(setting, proxy), []).append(proxy)
    return [
        replace(
            setting,
            proxies=tuple(proxies),
            input=drawn.input,
            initialization=drawn.weights,
            inputs=(),
            weights=(),
        )
        for drawn, proxies in alike.items()
    ]
