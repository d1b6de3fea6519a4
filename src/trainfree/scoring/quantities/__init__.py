"""What proxies ask a candidate for, one quantity a file: kernels of ReLU codes, Synflow, gradients.

Functions of a network, its weights and a mini-batch, or of the forward pass of these.
"""
