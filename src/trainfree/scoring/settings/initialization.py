"""How the weights of a network are drawn. Needs no other package."""

from typing import Literal

Initialization = Literal["pytorch", "xavier", "kaiming", "normal"]
"""See :func:`trainfree.scoring.weights.draw_weights`."""
