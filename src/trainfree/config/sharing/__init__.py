"""Sections about search by weight sharing."""
