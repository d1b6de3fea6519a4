"""What is kept of source texts between processes: never out of date, and no harm where it fails."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trainfree import syntax
from trainfree.syntax import KeptSyntax

SOURCE = "from a import b\nimport c.d\n\ndef f():\n    return 1\n"


@pytest.fixture
def package(tmp_path, monkeypatch) -> Path:
    """A package of one file, in a home of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(syntax, "private_folder", lambda name: tmp_path / "private" / name)
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "m.py").write_text(SOURCE)
    return folder


def forbid_parsing(monkeypatch) -> None:
    def refuse(source, path):
        raise AssertionError(f"{path} is parsed")

    monkeypatch.setattr(syntax, "syntax_of", refuse)


def keep(package: Path) -> syntax.Syntax:
    kept = KeptSyntax(package)
    found = kept.of(package / "m.py")
    kept.keep()
    return found


def test_what_was_found_is_found_again_without_parsing(package, monkeypatch):
    found = keep(package)
    assert found.imported == ("a", "a.b", "c.d")
    forbid_parsing(monkeypatch)
    assert KeptSyntax(package).of(package / "m.py") == found
    other = package / "n.py"
    other.write_text(SOURCE)  # the text counts, not the place
    assert KeptSyntax(package).of(other) == found


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("return 1", "return   1  # why", True),
        ("return 1", '"""Doc."""\n    return 1', True),
        ("return 1", "return 2", False),
    ],
)
def test_an_edited_file_is_parsed_anew(package, old, new, same):
    before = keep(package)
    (package / "m.py").write_text(SOURCE.replace(old, new))
    after = keep(package)
    assert after == syntax.syntax_of((package / "m.py").read_bytes(), package)
    assert (after == before) is same
    (package / "m.py").write_text(SOURCE)
    assert keep(package) == before


@pytest.mark.parametrize("harm", ["cut", "changed", "binary", "empty", "folder"])
def test_a_damaged_file_costs_time_and_no_more(package, harm):
    found = keep(package)
    (path,) = (package / "__pycache__").iterdir()
    content = path.read_text()
    if harm == "cut":
        path.write_text(content[:-9])
    elif harm == "changed":
        path.write_text(content.replace('"c.d"', '"c.e"'))
    elif harm == "binary":
        path.write_bytes(b"\xff\0")
    elif harm == "empty":
        path.write_text("")
    else:
        path.unlink()
        path.mkdir()
    assert keep(package) == found
    assert keep(package) == found


def test_what_another_way_to_hash_has_kept_is_not_read(package, monkeypatch):
    keep(package)
    monkeypatch.setattr(syntax.sys, "version", "4.0")
    forbid_parsing(monkeypatch)
    with pytest.raises(AssertionError, match="is parsed"):
        KeptSyntax(package).of(package / "m.py")


def test_a_package_that_cannot_be_written_is_kept_in_the_users_cache(
    package, tmp_path, monkeypatch
):
    (package / "__pycache__").write_text("no folder")
    found = keep(package)
    assert len([*(tmp_path / "cache" / "trainfree").iterdir()]) == 1
    forbid_parsing(monkeypatch)
    assert KeptSyntax(package).of(package / "m.py") == found


def test_where_nothing_can_be_written_all_is_parsed(package, monkeypatch):
    monkeypatch.setattr(syntax, "first_writable", lambda folders: None)
    assert keep(package) == keep(package)


def test_texts_of_old_are_forgotten_when_there_are_many(package, monkeypatch):
    monkeypatch.setattr(syntax, "MOST_KEPT", 3)
    for number in range(10):
        (package / "m.py").write_text(f"x = {number}\n")
        keep(package)
    (path,) = (package / "__pycache__").iterdir()
    assert 1 <= len(json.loads(path.read_text().partition("\n")[2])) <= 3


def test_no_python_is_told_as_such(package):
    (package / "m.py").write_text("def\n")
    with pytest.raises(SyntaxError):
        keep(package)


def test_all_versions_of_python_give_one_hash():
    """Golden: Python 3.11.7, 3.12.1 and 3.13.0 gave it; ``ast.unparse`` gives them other texts."""
    source = """import a.b
class A(B):
    x: int = 1
    def f(self, *rest: int, key=None) -> str:
        with open(rest[0]) as file, self:
            return f"{self.x!r:>{key}} 'one' \\"two\\" {', '.join(file)}" f"" "three" f"{key}"
async def g(): return [y async for y in z if (w := y)] or None
"""
    golden = "274fb5a488516c5b59fd5f4368bace9759b59b0a428d47d97c2c473c38dcffed"
    assert syntax.syntax_of(source.encode(), Path("m.py")).hash == golden


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("f'{x} a'", "f'{x} ' 'a'"),
        ("f'a{x}'", "'a' f'' f'{x}'"),
        ("u'a'", "'a'"),
    ],
)
def test_how_a_text_is_split_is_no_code(one, other):
    first, second = (syntax.syntax_of(text.encode(), Path("m.py")).hash for text in (one, other))
    assert first == second


@pytest.mark.parametrize(
    ("one", "other"),
    [("f'{x}a'", "f'a{x}'"), ("f'{x}'", "f'{x!r}'"), ("f()", "f(None)"), ("[]", "None")],
)
def test_other_code_has_another_hash(one, other):
    first, second = (syntax.syntax_of(text.encode(), Path("m.py")).hash for text in (one, other))
    assert first != second
