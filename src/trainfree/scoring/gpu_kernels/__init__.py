"""Kernels that do one kind of step for many architectures in one launch, in Triton.

``launches`` says what a launch is and needs no torch. The kernels are imported only where a GPU
scores: Triton comes with torch's CUDA builds alone. With ``TRITON_INTERPRET=1`` they run on a CPU.
"""
