"""Figures of shared weights: how they rank for their seconds, and what they choose by epoch."""
