"""Commands for people who extend the suite."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from trainfree.cli.command import command

if TYPE_CHECKING:
    from trainfree.cli.command import Commands


def add_commands(commands: Commands) -> None:
    """Declare them."""
    proxy = command(
        commands, "new-proxy", _new_proxy, "write a template for a new proxy, with a test"
    )
    search = command(
        commands,
        "new-search",
        _new_search,
        "write a template for a new search algorithm, with a test",
    )
    for parser in (proxy, search):
        parser.add_argument("name", help="lower-case letters, digits and underscores")
        parser.add_argument("--folder", type=Path, default=Path(), help="folder to write to")


def _new_proxy(arguments: argparse.Namespace) -> None:
    from trainfree.outside.skeletons import write_skeleton
    from trainfree.proxies import proxy_names
    from trainfree.proxies.skeleton import SOURCE, TEST

    name = arguments.name
    proxy, test = write_skeleton("proxy", name, arguments.folder, SOURCE, TEST, proxy_names())
    print(
        f"wrote {proxy} and {test}\n"
        f"try it:   pytest {test}\n"
        f"use it:   proxies: {{extra: [{proxy}]}} and {name} in scoring.proxies"
    )


def _new_search(arguments: argparse.Namespace) -> None:
    from trainfree.outside.skeletons import write_skeleton
    from trainfree.search import algorithm_names
    from trainfree.search.skeleton import SOURCE, TEST

    name = arguments.name
    search, test = write_skeleton(
        "algorithm", name, arguments.folder, SOURCE, TEST, algorithm_names()
    )
    print(
        f"wrote {search} and {test}\n"
        f"try it:   pytest {test}\n"
        f"use it:   search: {{extra: [{search}], searches: {{{name}: {{algorithm: {name}}}}}}}"
    )
