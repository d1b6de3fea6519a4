"""Snakemake finds loggers by the names of packages: this one is ``--logger trainfree``."""

from trainfree.terminal.live.logger import LogHandler

__all__ = ["LogHandler"]
