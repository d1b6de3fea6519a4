"""trainfree: a reproducible benchmark suite for training-free neural architecture search."""

__version__ = "0.1.0"
