"""Tables of the search spaces themselves: how accuracy lies in them.

They read trained accuracies and walks, no scores.
"""
