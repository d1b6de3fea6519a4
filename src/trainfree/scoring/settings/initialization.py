"""How the weights of a network are drawn. Needs no other package."""

from trainfree.drawing import Initialization

__all__ = ["Initialization"]
