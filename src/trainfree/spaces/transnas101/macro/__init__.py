"""The macro-level space of TransNAS-Bench-101: one block, in many skeletons."""
