"""To begin: a folder of one's own, the workflow run in it, what its configuration changes."""
