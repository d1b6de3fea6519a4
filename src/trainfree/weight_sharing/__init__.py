"""Search by weight sharing: super-networks of which every architecture is a part, and ENAS.

One set of weights is trained for all architectures of a space, and a method chooses among them by
those weights. This room trains for real; what the chosen architecture reaches when it is trained
alone is looked up in a benchmark, or trained as well.
"""
