"""The size search space of NATS-Bench (Dong et al., TPAMI 2021)."""
