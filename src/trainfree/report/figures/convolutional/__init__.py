"""Figures of ENAS for convolutional cells: the search, the derived cells, the animation."""
