"""Commands about the configuration: check it, print its schema."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from trainfree.cli.command import command

if TYPE_CHECKING:
    from trainfree.cli.command import Commands


def add_commands(commands: Commands) -> None:
    """Declare them."""
    check = command(
        commands, "check-config", _check_config, "check configuration files and print the result"
    )
    check.add_argument(
        "files", type=Path, nargs="+", help="YAML files; later files override earlier ones"
    )
    command(
        commands, "config-schema", _config_schema, "print the JSON Schema of configuration files"
    )


def _check_config(arguments: argparse.Namespace) -> None:
    from trainfree.config import load_config

    print(load_config(*arguments.files).model_dump_json(indent=2))


def _config_schema(arguments: argparse.Namespace) -> None:
    from trainfree.config import schema_json

    print(schema_json(), end="")
