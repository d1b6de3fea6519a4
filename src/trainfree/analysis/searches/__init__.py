"""Tables of what searches find, one table a file.

They read search files and trained accuracies.
"""
