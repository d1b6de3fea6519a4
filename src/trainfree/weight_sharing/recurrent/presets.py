"""Settings that others published, and a reduction of them for two cores.

``paper``: the search of ENAS-pytorch's command lines for Penn Treebank and WikiText (both have the
same values, its defaults), which are those of Pham et al., section 3.1 and appendix; then the
training of one cell as in the authors' own script. ``reduced``: the same method with narrow layers,
few nodes and few epochs, whose controller learns ten times as fast as it has fewer steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from trainfree.weight_sharing.recurrent.cell import NODES
from trainfree.weight_sharing.recurrent.settings import (
    ControllerSettings,
    DescentSettings,
    NetworkSettings,
)

PresetName = Literal["reduced", "paper"]


@dataclass(frozen=True)
class Preset:
    """What a search and the training of its cells are by default; see ``settings.py``.

    The names with ``retrain`` are of the training of one cell.
    """

    most_words: int
    least_count: int
    nodes: int
    network: NetworkSettings
    descent: DescentSettings
    controller: ControllerSettings
    epochs: int
    weight_steps: int
    samples: int
    candidates: int
    retrain_network: NetworkSettings
    retrain_descent: DescentSettings
    retrain_epochs: int


_SHARED = NetworkSettings(
    embedding=64,
    hidden=64,
    dropout_words=0.0,
    dropout_inputs=0.1,
    dropout_weights=0.0,
    dropout_outputs=0.1,
    init_range=0.1,
)
_ALONE = NetworkSettings(
    embedding=64,
    hidden=64,
    dropout_words=0.05,
    dropout_inputs=0.2,
    dropout_weights=0.1,
    dropout_outputs=0.2,
    init_range=0.1,
)
PRESETS: Mapping[PresetName, Preset] = {
    "reduced": Preset(
        most_words=1000,
        least_count=2,
        nodes=5,
        network=_SHARED,
        descent=DescentSettings(batch=20, learning_rate=10.0, decay=0.82, decay_after=1),
        controller=ControllerSettings(steps=60, learning_rate=3.5e-3),
        epochs=14,
        weight_steps=240,
        samples=6,
        candidates=20,
        retrain_network=_ALONE,
        retrain_descent=DescentSettings(batch=20, decay=0.8, decay_after=5),
        retrain_epochs=14,
    ),
    "paper": Preset(
        most_words=0,
        least_count=1,
        nodes=NODES,
        network=NetworkSettings(),
        descent=DescentSettings(),
        controller=ControllerSettings(),
        epochs=150,
        weight_steps=400,
        samples=10,
        candidates=100,
        retrain_network=NetworkSettings(
            embedding=748,
            hidden=748,
            dropout_words=0.21,
            dropout_inputs=0.75,
            dropout_weights=0.25,
            dropout_outputs=0.76,
            init_range=0.04,
        ),
        retrain_descent=DescentSettings(decay=0.9991, decay_after=14, weight_decay=5e-7),
        retrain_epochs=2000,
    ),
}
assert set(PRESETS) == set(get_args(PresetName))
