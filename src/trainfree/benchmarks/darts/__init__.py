"""Tables of cells of DARTS and the accuracies that others trained them to."""
