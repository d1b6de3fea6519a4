"""The two spaces of TransNAS-Bench-101 (Duan et al., CVPR 2021): cells and skeletons."""
