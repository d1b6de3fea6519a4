"""The scoring jobs: what the workflow starts, each one writing one HDF5 file.

A shard, several draws, the ablation, a training, kernels; merging, devices, and what a job needs.
"""
