"""Results of TransNAS-Bench-101 on its seven tasks."""
