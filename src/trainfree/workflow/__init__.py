"""What the Snakefile needs: what follows from a configuration, and how a run of it is kept apart.

Everything that the rules derive is derived and tested here; needs no torch.
"""
