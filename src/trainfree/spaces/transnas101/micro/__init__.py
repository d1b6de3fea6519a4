"""The cell-level space of TransNAS-Bench-101: one cell, in a fixed skeleton."""
