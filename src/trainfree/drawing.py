"""Kinds of mini-batches and of weights that scores are computed on. Needs no other package."""

from typing import Literal

InputKind = Literal["images", "gaussian"]
"""What a mini-batch is made of: images of the training split, or noise of their shape."""
Initialization = Literal["pytorch", "xavier", "kaiming", "normal"]
"""How weights are drawn; see :func:`trainfree.scoring.weights.draw_weights`."""
