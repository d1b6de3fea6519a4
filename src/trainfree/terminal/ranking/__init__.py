"""Ranking architectures without scoring any: lists of scores on a board, and a proxy's best."""
