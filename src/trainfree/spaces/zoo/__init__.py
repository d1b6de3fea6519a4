"""Model zoos: networks that people use, with the accuracies that their packages publish."""
