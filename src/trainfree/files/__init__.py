"""Files on disk: read with care, written whole or not at all, sealed, labelled and locked.

Everybody may use this room; it imports no other.
"""
