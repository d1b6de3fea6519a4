"""What proxies ask a candidate for, one quantity a file: kernels of ReLU codes, Synflow, gradients.

Each is a pure function of a network, its weights and a mini-batch.
"""
