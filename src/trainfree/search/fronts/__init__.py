"""Searching under limits: the best within a cost, and Pareto fronts of accuracy against a cost."""
