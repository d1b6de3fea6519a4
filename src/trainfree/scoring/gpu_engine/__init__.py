"""The GPU engine: groups of architectures, from their networks to launches of kernels."""
