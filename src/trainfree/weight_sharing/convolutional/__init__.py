"""ENAS for convolutional cells (Pham et al., ICML 2018, section 2.4, the "micro" search space)."""
