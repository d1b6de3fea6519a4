"""Figures and the page that a reader opens."""

from trainfree.caches import place_matplotlib

place_matplotlib()
