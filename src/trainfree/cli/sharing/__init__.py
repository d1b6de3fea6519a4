"""Commands of search by weight sharing."""
