"""Tables of the accuracies that packages publish of their networks: which rows are in a list."""
