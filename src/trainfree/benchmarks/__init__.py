"""Tables of trained accuracy, all in one form whatever source they came from."""
