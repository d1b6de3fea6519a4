"""Commands of search by weight sharing, one file a kind of super-network."""
