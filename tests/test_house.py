"""The house: which room may import which, inside rooms too, and how large its parts may be."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOMS = {
    "files": set(),
    "outside": set(),
    "sources": set(),
    "images": {"sources"},
    "spaces": set(),
    "proxies": {"spaces"},
    "combinations": set(),
    "benchmarks": {"sources", "spaces"},
    "scoring": {"spaces", "proxies", "images"},
    "search": {"spaces", "combinations"},
    "weight_sharing": {"spaces", "images", "scoring"},
    "analysis": {"combinations"},
    "report": {"analysis"},
    "library": {
        *("sources", "images", "spaces", "benchmarks", "proxies", "scoring", "analysis"),
    },
    "workflow": {
        *("sources", "spaces", "scoring", "search", "weight_sharing", "analysis", "config"),
    },
    "terminal": {
        *("sources", "images", "spaces", "benchmarks", "scoring", "search", "analysis"),
        *("config", "workflow", "proxies"),
    },
}
LEAVES = {
    *("errors", "outside", "parent_process", "processes", "progress", "provenance", "randomness"),
    *("caches", "compilation", "drawing", "files", "settings", "syntax", "trainings"),
}
# Rooms inside rooms: each may import those before it.
INSIDE = {
    "scoring": (
        *("settings", "cpu_engine", "autodiff", "quantities", "gpu_kernels", "gpu_engine"),
        *("modules", "module_quantities", "architectures", "jobs"),
    ),
    "analysis": (
        "statistics",
        "papers",
        "proxies",
        "field",
        "searches",
        "spaces",
        "studies",
        "overview",
        "ranking",
    ),
    "report": ("style", "figures", "page"),
}
SLOW = {"torch", "pandas", "xarray", "numba", "h5py", "h5netcdf"}
MOST_LINES, MOST_LINES_OF_A_CLASS, MOST_FILES = 400, 250, 14
PACKAGE = Path("src") / "trainfree"


def imports_of(path: Path) -> Iterator[str]:
    """Yield the full names of what a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def rooms_of(repository: Path) -> set[str]:
    return {path.parent.name for path in (repository / PACKAGE).glob("*/__init__.py")}


def test_every_room_is_listed(repository):
    assert rooms_of(repository) == {*ROOMS, "cli", "config"}


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_import_in_one_direction_only(room, repository):
    allowed = ROOMS[room] | LEAVES | {room}
    for path in (repository / PACKAGE / room).rglob("*.py"):
        for name in imports_of(path):
            parts = name.split(".")
            if parts[0] == "trainfree":
                assert parts[1] in allowed | {"__version__"}, f"{path} imports {name}"
            if parts[0] == "torch":
                # A space may build its architectures as torch modules, in a file beside it.
                builds = room == "spaces" and path.name == "modules.py"
                assert builds or room in ("scoring", "weight_sharing", "library"), (
                    f"{path} imports torch"
                )


def test_spaces_import_torch_only_when_a_module_is_built(repository):
    for path in (repository / PACKAGE / "spaces").rglob("*.py"):
        if path.name != "modules.py":
            assert not {name for name in at_import(path) if name.endswith(".modules")}, path


def test_the_library_imports_torch_only_when_it_is_used(repository):
    for path in (repository / PACKAGE / "library").rglob("*.py"):
        slow = {name for name in at_import(path) if name.split(".")[0] in SLOW}
        assert slow == set(), path


def test_leaves_import_no_room(repository):
    for name in LEAVES - {"files", "outside"}:
        for imported in imports_of(repository / PACKAGE / f"{name}.py"):
            parts = imported.split(".")
            assert parts[0] != "trainfree" or parts[1] in LEAVES | {"__version__"}, imported


@pytest.mark.parametrize("room", INSIDE)
def test_rooms_inside_a_room_import_in_one_direction_only(room, repository):
    order = INSIDE[room]
    folder = repository / PACKAGE / room
    assert {path.parent.name for path in folder.glob("*/__init__.py")} == set(order)
    for path in folder.glob("*/*.py"):
        own = order.index(path.parent.name)
        for name in imports_of(path):
            parts = name.split(".")
            if parts[:2] == ["trainfree", room] and parts[2] in order:
                assert order.index(parts[2]) <= own, f"{path} imports {name}"


@pytest.mark.parametrize("room", [*ROOMS, "cli", "config"])
def test_no_circle_of_files(room, repository):
    folder = repository / PACKAGE / room
    names = {}
    for path in folder.rglob("*.py"):
        parts = path.relative_to(repository / "src").with_suffix("").parts
        names[".".join(parts).removesuffix(".__init__")] = path
    waiting = {name: at_import(path) & names.keys() - {name} for name, path in names.items()}
    while waiting:
        free = {name for name, needed in waiting.items() if not needed & waiting.keys()}
        assert free, f"files that import each other: {sorted(waiting)}"
        waiting = {name: needed for name, needed in waiting.items() if name not in free}


def at_import(path: Path) -> set[str]:
    """Return the modules that are imported together with a file."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom):
            found.add(str(node.module))
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return found


def test_nothing_is_too_large(repository):
    files = [*(repository / PACKAGE).rglob("*.py"), *(repository / "rules").glob("*.smk")]
    for path in files:
        text = path.read_text()
        assert len(text.splitlines()) <= MOST_LINES, path
        for node in ast.walk(ast.parse(text)) if path.suffix == ".py" else ():
            if isinstance(node, ast.ClassDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                assert lines <= MOST_LINES_OF_A_CLASS, f"{path}: {node.name} has {lines} lines"
    for folder in {path.parent for path in files if path.suffix == ".py"}:
        count = len(list(folder.glob("*.py")))
        assert count <= MOST_FILES, f"{folder} has {count} files on one floor"


def test_every_room_says_what_lives_there(repository):
    for path in (repository / PACKAGE).rglob("__init__.py"):
        assert ast.get_docstring(ast.parse(path.read_text())), path
