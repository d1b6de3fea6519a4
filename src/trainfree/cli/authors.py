"""Commands for who extends the suite."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from trainfree.cli.command import command

if TYPE_CHECKING:
    from trainfree.cli.command import Commands


def add_commands(commands: Commands) -> None:
    """Declare them."""
    new = command(commands, "new-proxy", _new_proxy, "write a proxy to start from, with its test")
    new.add_argument("name")
    new.add_argument("--folder", type=Path, default=Path(), help="where to write it")


def _new_proxy(arguments: argparse.Namespace) -> None:
    from trainfree.proxies.skeleton import write_skeleton

    proxy, test = write_skeleton(arguments.name, arguments.folder)
    print(
        f"wrote {proxy} and {test}\n"
        f"try it:   pytest {test}\n"
        f"use it:   proxies: {{extra: [{proxy}]}} and {arguments.name} in scoring.proxies"
    )
