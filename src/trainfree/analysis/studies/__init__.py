"""Tables of the studies of the NASWOT score, one table a file.

The studies are the ablation and the training; choice.py draws their architectures.
"""
