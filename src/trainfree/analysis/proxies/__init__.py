"""Tables of how well proxies rank architectures and what they cost, one table a file.

They read scores and trained accuracies.
"""
