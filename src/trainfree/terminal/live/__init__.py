"""One view of a run that is going on: stages, jobs, remaining time, and why jobs failed.

``estimate`` reckons, ``watch`` looks, ``view`` draws; ``logger`` is what Snakemake shows it with.
"""
