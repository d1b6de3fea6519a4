"""Figures and the page that a reader opens."""
