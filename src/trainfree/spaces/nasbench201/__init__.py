"""NAS-Bench-201 / NATS-Bench topology search space (Dong and Yang, ICLR 2020)."""
