"""NATS-Bench (Dong et al., TPAMI 2021): the official archive, and tables of its two spaces."""
