"""The second classifier that helps a training, behind the second reduction (Szegedy et al., 2015).

Its sizes are those of melodyguan/enas and NASNet. After the training it is not used.
"""

from __future__ import annotations

from torch import nn

LEAST_SIDE = 5
"""Pixels that its pooling needs."""
WEIGHT = 0.4
"""Of its loss beside the network's."""


class AuxiliaryHead(nn.Sequential):
    """A pooling and two convolutions before a classifier; logits, (B, classes).

    Parameters
    ----------
    width, classes
        Channels of the features, and outputs.
    side
        Pixels of the features' sides.
    """

    def __init__(self, width: int, classes: int, side: int) -> None:
        pooled = (side - 5) // 3 + 1
        super().__init__(
            nn.ReLU(),
            nn.AvgPool2d(5, stride=3),
            nn.Conv2d(width, 128, 1, bias=False),
            nn.BatchNorm2d(128, track_running_stats=False),
            nn.ReLU(),
            nn.Conv2d(128, 768, pooled, bias=False),
            nn.BatchNorm2d(768, track_running_stats=False),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(768, classes),
        )
