"""ℵ against the table of VKDNW's paper, on the real accuracies of NAS-Bench-201."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from scipy.stats import kendalltau, spearmanr

from trainfree.proxies import load_proxy
from trainfree.scoring.jobs.trial import small_candidate
from trainfree.spaces import load_space

PRINTED = {
    "c10_test_200": (0.626, 0.767),
    "c100_test_200": (0.646, 0.787),
    "in16_test_200": (0.623, 0.764),
}
"""Kendall's τ and Spearman's ρ (Table 1), on cells without unreachable operations."""


@pytest.fixture(scope="module")
def cells(shared_data: Path) -> pd.DataFrame:
    """Accuracies of the 9,445 cells that NAS-Bench-Suite-Zero scored, and their ℵ."""
    folder = shared_data / "nasbench201"
    scored = pd.read_csv(folder / "suite_zero_cifar10.csv.gz")["index"]
    table = pd.read_csv(folder / "nb201_tss.csv.gz").set_index("index").loc[scored]
    space, proxy = load_space("nasbench201"), load_proxy("trainable_tensors")
    convolutions = table["arch_str"].str.count("nor_conv")
    found = {}
    for count, text in zip(convolutions, table["arch_str"], strict=True):
        if count not in found:
            candidate = small_candidate(space.parse(text), space="nasbench201")
            found[count] = candidate.score(proxy)[0]
    return table.assign(tensors=convolutions.map(found))


@pytest.mark.parametrize("column", PRINTED)
def test_the_number_of_tensors_ranks_as_printed(cells, column):
    assert len(cells) == 9445
    tau, rho = PRINTED[column]
    assert kendalltau(cells["tensors"], cells[column]).statistic == pytest.approx(tau, abs=0.002)
    assert spearmanr(cells["tensors"], cells[column]).statistic == pytest.approx(rho, abs=0.002)
