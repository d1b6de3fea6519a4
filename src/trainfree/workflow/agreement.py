"""What is scored to stand beside scores that others published: two seeds of each sample."""

from __future__ import annotations

from collections.abc import Mapping

from trainfree.analysis.proxies.published_proxy_scores import PUBLISHED_COLUMNS, PUBLISHED_SCORES
from trainfree.config import Config
from trainfree.scoring.settings.setting import Setting
from trainfree.spaces import load_space

Pair = tuple[Setting, Setting]


def agreement_on_nasbench201(config: Config) -> Pair:
    """Return two seeds of a sample of NAS-Bench-201."""
    asked = config.agreement
    return _pair(
        config,
        space="nasbench201",
        dataset="cifar10",
        proxies=tuple(PUBLISHED_COLUMNS),
        batch_size=asked.batch_size,
        sample=asked.sample,
    )


def agreement_on_spaces(config: Config) -> Mapping[str, Pair]:
    """Return two seeds of a sample of each other space, by the name of the published scores.

    A space with fewer architectures than its sample is scored as a whole.
    """
    asked = config.space_agreement
    pairs = {}
    for name, sample in asked.samples.items():
        if sample is None:
            continue
        published = PUBLISHED_SCORES[name]
        size = len(load_space(published.space))
        pairs[name] = _pair(
            config,
            space=published.space,
            dataset=published.dataset,
            proxies=tuple(published.columns),
            batch_size=asked.batch_size,
            sample=sample if sample < size else 0,
        )
    return pairs


def _pair(
    config: Config,
    *,
    space: str,
    dataset: str,
    proxies: tuple[str, ...],
    batch_size: int,
    sample: int,
) -> Pair:
    first, second = (
        Setting(
            space=space,
            dataset=dataset,
            proxies=proxies,
            batch_size=batch_size,
            initialization="pytorch",
            input="images",
            seed=config.seed + more,
            sample=sample,
            sample_seed=config.seed if sample else 0,
        )
        for more in range(2)
    )
    return first, second
