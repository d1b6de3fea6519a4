"""Proxies whose scores were computed by others too. Imports nothing: the workflow reads it."""

PUBLISHED_COLUMNS = {
    "naswot": "nwot",
    "params": "params",
    "flops": "flops",
    "l2_norm": "l2_norm",
    "synflow": "synflow",
    "snip": "snip",
    "grad_norm": "grad_norm",
    "fisher": "fisher",
    "zen": "zen",
    "jacob_cov": "jacov",
    "grasp": "grasp",
    "epe_nas": "epe_nas",
    "plain": "plain",
}
"""Our proxies by the names of theirs."""
