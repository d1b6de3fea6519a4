"""Trained accuracies of Network Design Spaces, from the official files."""
