"""Configuration files and entries of a command line as plain values: YAML or JSON, read once.

YAML is the published language but for five traps, which are named instead of followed: a key that
occurs twice (the last one would win in silence), numbers with a colon (base 60) or a leading
zero (base 8), numbers that Python cannot read, and nesting or merging without end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from trainfree.config.shape import MOST_VALUES, check_shape
from trainfree.errors import ConfigError, DataFileError, shortened, shown
from trainfree.files.reading import open_file

LARGEST_FILE = 1024**2
LONG = 100
_WIDE_MARKS = {
    b"\xff\xfe\0\0": "UTF-32",  # before the mark that it begins with
    b"\0\0\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
_NO_TEXT = bytes({*range(32)} - {*b"\t\n\f\r"})


def read_file(path: Path) -> dict[str, Any]:
    """Return the keys of a configuration file; none for an empty one.

    Raises
    ------
    ConfigError
        Naming the file, and the line where there is one.
    """
    text = _text_of(path)
    values = _values_of(text, str(path))
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(
            f"{path}: expected a mapping of keys, found {type(values).__name__}; write lines "
            "'key: value'"
        )
    check_shape(values, str(path))
    return values


def read_entries(entries: Iterable[str]) -> dict[str, Any]:
    """Return what ``KEY=VALUE`` entries of a command line say, each value being YAML.

    Snakemake reads the numbers inside a value such as ``{batch_size: 64}`` as text, so what it
    hands on says less than what was written. As there, an empty value is null and quotes around
    a mapping or a list are none of it; so is the word None.

    Raises
    ------
    ConfigError
        Naming the entry.
    """
    values: dict[str, Any] = {}
    for entry in entries:
        key, _, text = entry.partition("=")
        origin = f"--config {shown(entry)}"
        value = _entry_value(text, origin)
        check_shape({key: value}, origin)
        values = merge(values, {key: value})
    return values


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Return ``base`` with ``over`` laid over it, key by key, in sections too."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def _entry_value(text: str, origin: str) -> Any:
    value = _from_yaml(text, origin, none_is_null=True)
    if isinstance(value, str) and value.startswith(("{", "[")):
        value = _from_yaml(value, origin, none_is_null=True)
    return value


def _text_of(path: Path) -> str:
    try:
        with open_file(path, "no such configuration file") as file:
            data = file.read(LARGEST_FILE + 1)
    except DataFileError as error:
        raise ConfigError(str(error)) from None
    if len(data) > LARGEST_FILE:
        raise ConfigError(
            f"{path}: expected a configuration of at most {LARGEST_FILE} bytes, found more; is it "
            "another file?"
        )
    return _decoded(data, path)


def _decoded(data: bytes, path: Path) -> str:
    wide = next((name for mark, name in _WIDE_MARKS.items() if data.startswith(mark)), "")
    halves = data[:200:2], data[1:200:2]
    if not wide and len(data) > 1 and any(half and not half.strip(b"\0") for half in halves):
        wide = "UTF-16"
    if wide:
        raise ConfigError(
            f"{path}: expected text in UTF-8, found {wide}; save it as UTF-8, or convert it: "
            f"iconv -f {wide} -t UTF-8"
        )
    if data[:1000].translate(None, _NO_TEXT) != data[:1000] or b"\0" in data:
        raise ConfigError(f"{path}: expected YAML or JSON text, found binary data")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigError(
            f"{path}: line {line}: expected text in UTF-8, found the byte "
            f"0x{data[error.start]:02x}, perhaps of Latin-1 or Windows-1252; save it as UTF-8, or "
            "convert it: iconv -f WINDOWS-1252 -t UTF-8"
        ) from None


def _values_of(text: str, origin: str) -> Any:
    """Read JSON where it is JSON, else YAML, as Snakemake does."""
    try:
        return json.loads(text, object_pairs_hook=lambda pairs: _unique(pairs, origin))
    except RecursionError:
        raise ConfigError(f"{origin}: is nested too deeply") from None
    except ValueError:
        return _from_yaml(text, origin)


def _unique(pairs: list[tuple[str, Any]], origin: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in pairs:
        if key in values:
            raise ConfigError(f"{origin}: key {shown(key)} occurs twice; leave one")
        values[key] = value
    return values


def _from_yaml(text: str, origin: str, *, none_is_null: bool = False) -> Any:
    try:
        return yaml.load(text, _NoneLoader if none_is_null else _Loader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{origin}: is not valid YAML: {_sentence(error)}") from None
    except RecursionError:
        raise ConfigError(f"{origin}: is nested too deeply") from None


def _sentence(error: yaml.YAMLError) -> str:
    """Return where and why in one line; the parser's own texts have four."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return shortened(" ".join(str(error).split()), 200)
    mark = error.problem_mark or error.context_mark
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    tabs = " (indent with spaces, not with tabs)" if "\\t" in str(error.problem) else ""
    parts = ", ".join(part for part in (error.context, error.problem) if part)
    return f"{where}{shortened(parts, 300)}{tabs}"


class _Loader(yaml.SafeLoader):
    """The safe loader, without the traps named above."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Refuse a key that is written twice; one that is merged in may be overridden."""
        node = super().compose_mapping_node(anchor)
        written: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in written:
                raise _trap(key, f"key {shown(key.value)} occurs twice; leave one")
            written.add(key.value if isinstance(key, yaml.ScalarNode) else "")
        return node

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Bound what merge keys (``<<``) unfold to, level by level."""
        super().flatten_mapping(node)
        if len(node.value) > MOST_VALUES:
            raise _trap(node, f"expected at most {MOST_VALUES} merged keys, found more")

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Name what has the form or the tag of a number, a date, ... and is none."""
        try:
            return super().construct_object(node, deep=deep)
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError):
            kind = node.tag.rpartition(":")[2]
            size = f" of {len(node.value)} characters" if len(node.value) > LONG else ""
            raise _trap(
                node,
                f"{shown(node.value)}{size} is not a valid {kind}; put quotes around what is text",
            ) from None

    def construct_number(self, node: yaml.ScalarNode) -> int | float:
        """Return a number that is written as people read it."""
        digits = str(self.construct_scalar(node)).lstrip("+-").replace("_", "")
        if ":" in digits:
            raise _trap(node, f"{shown(node.value)} is a number in base 60 for YAML; put quotes")
        if digits.startswith("0") and digits.isdigit() and digits != "0":
            raise _trap(node, f"{shown(node.value)} is a number in base 8 for YAML; no leading 0")
        read = self.construct_yaml_int if node.tag.endswith(":int") else self.construct_yaml_float
        return read(node)


class _NoneLoader(_Loader):
    """The same, for command lines, where ``None`` is null too."""


def _trap(node: yaml.Node, text: str) -> yaml.MarkedYAMLError:
    return yaml.constructor.ConstructorError(None, None, text, node.start_mark)


for _kind in ("int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_kind}", _Loader.construct_number)
_NoneLoader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"None$"), ["N"])
