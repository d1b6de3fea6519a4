"""Files of others that fail in odd ways, and proxies that say odd things of themselves."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import torch

from trainfree.errors import ConfigError
from trainfree.outside.extensions import declared_names, file_hash, load_files
from trainfree.proxies import PROXY_NAMES, load_proxy, registry
from trainfree.proxies.extra import PROXY

PROXY_SOURCE = """
from trainfree.proxies.registry import proxy
{before}
@proxy("late"{words})
{head}
    return 1.0
{after}
"""


@pytest.fixture(autouse=True)
def registry_as_it_was():
    """The proxies of one test are not those of another."""
    before = set(registry._REGISTRY)
    yield
    for name in set(registry._REGISTRY) - before - set(PROXY_NAMES):
        del registry._REGISTRY[name]


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.py"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    return path


def proxy_file(
    folder: Path,
    *,
    before: str = "",
    words: str = ", cite='x'",
    head: str = "def late(candidate):",
    after: str = "",
) -> Path:
    text = PROXY_SOURCE.format(before=before, words=words, head=head, after=after)
    return written(folder, "mine", text)


# ---------------------------------------------------------------- files

EXECUTED = [
    ("raise SystemExit(0)", "SystemExit: 0"),
    ("import sys; sys.exit('bye')", "SystemExit: bye"),
    ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    ("raise GeneratorExit", "GeneratorExit"),
    ("raise BaseException('a\\0b\\ud800')", "BaseException: a.b."),
    ("raise RuntimeError('x' * 10 ** 7)", "RuntimeError: xxx"),
    ("assert False, 'one\\ntwo'", "AssertionError: one$"),
    ("1 / 0", "ZeroDivisionError: division by zero"),
    ("{}['key']", "KeyError: 'key'"),
    ("def f(): f()\nf()", "RecursionError"),
    ("raise MemoryError", "MemoryError"),
    ("import warnings; warnings.simplefilter('error'); warnings.warn('w')", "UserWarning: w"),
    ("exec('def broken(:')", "SyntaxError"),
    ("exec('x = \"\\0\"')", "SyntaxError|ValueError"),
    ("class E(Exception):\n    def __str__(self): raise SystemExit\nraise E", "its text is not"),
    ("raise ExceptionGroup('g', [ValueError(1)])", "ExceptionGroup: g"),
    ("from trainfree.errors import DataFileError as D; raise D('its own')", r"mine\.py: its own"),
]


@pytest.mark.parametrize(("before", "words"), EXECUTED)
def test_whatever_a_file_does_when_executed_is_a_sentence_with_its_name(tmp_path, before, words):
    path = proxy_file(tmp_path, before=before)
    assert declared_names(PROXY, path) == ["late"]
    with pytest.raises(ConfigError, match=words) as caught:
        load_files([path])
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert message.isprintable()
    assert len(message) < 700 + len(str(path))
    assert not [name for name in sys.modules if name.startswith("trainfree_extra_mine")]


WORDS = [
    (", needs='weights', cite='x'", r"@proxy\('late'\): needs: expected a list of strings"),
    (", needs=3, cite='x'", r"needs: expected a list of strings, found 3"),
    (", needs=[3], cite='x'", "unknown need '3'"),
    (", needs=['wieghts'], cite='x'", "did you mean 'weights'"),
    (", higher_is_better='no', cite='x'", "higher_is_better: expected True or False, found 'no'"),
    (", higher_is_better=1, cite='x'", "higher_is_better: expected True or False, found 1"),
    (", cite=None", "cite: expected a string, found None"),
    ("", "TypeError: proxy.. missing .* 'cite'"),
    (", 'x', cite='x'", "TypeError"),
]
HEADS = [
    ("def late():", r"expected a function of one argument, the candidate, found .* \(\)"),
    ("def late(one, two):", r"with the arguments \(one, two\)"),
    ("def late(*, candidate):", r"with the arguments \(\*, candidate\)"),
    ("def late(candidate):\n    yield 1", "found a generator, which yields"),
]


@pytest.mark.parametrize(
    ("parts", "words"),
    [({"words": text}, match) for text, match in WORDS]
    + [({"head": text}, match) for text, match in HEADS]
    + [({"before": "@proxy(3, cite='x')\ndef other(c): ..."}, "name: expected a string, found 3")]
    + [({"after": "proxy('other', cite='x')(3)"}, "expected a function .* found 3")]
    + [({"after": "proxy('nas' + 'wot', cite='x')(late)"}, "'naswot' of .* is already defined")]
    + [({"after": "async def f(c): ...\nproxy('a', cite='x')(f)"}, "found an async function")],
)
def test_what_a_proxy_says_of_itself_is_checked_when_it_is_loaded(tmp_path, parts, words):
    load_proxy("naswot")
    path = proxy_file(tmp_path, **parts)
    with pytest.raises(ConfigError, match=words) as caught:
        load_files([path])
    assert str(caught.value).startswith(f"{path}: ")


def test_what_can_be_called_need_not_be_a_function(tmp_path):
    after = (
        "import functools\nclass Called:\n    def __call__(self, candidate): return 2.0\n"
        "proxy('called', cite='x')(Called())\nproxy('called', cite='x')(Called())\n"
        "proxy('part', cite='x')(functools.partial(late))\nproxy('built', cite='x')(float)\n"
    )
    load_files([proxy_file(tmp_path, after=after)])
    assert load_proxy("called").function(None) == 2.0  # type: ignore[arg-type]
    assert load_proxy("part").function(None) == 1.0  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"x = '\0'", "is not Python"),
        (b"\xff\xfe\x00x", "is not Python: expected UTF-8"),
        (b"x = " + b"(" * 5000 + b")" * 5000, "is not Python|nested too deeply"),
        (b"x = " + b"-" * 200_000 + b"1", "is not Python|nested too deeply"),
        (b"if x:\n pass\n" + b"elif x:\n pass\n" * 3000, "nested too deeply|expected a function"),
        (b"x" * 3 + b" y", "is not Python: SyntaxError"),
    ],
)
def test_a_text_that_is_no_python_is_named(tmp_path, text, words):
    path = tmp_path / "mine.py"
    path.write_bytes(text)

    def read() -> None:
        file_hash(path)
        declared_names(PROXY, path)

    with pytest.raises(ConfigError, match=words):
        read()


def test_what_is_no_file_is_named(tmp_path):
    for path, words in (
        (tmp_path, "expected a Python file, found a folder"),
        (tmp_path / "absent.py", "no such file"),
        (Path("a\0b.py"), "no such file"),
        (tmp_path / ("x" * 5000), "cannot be read: File name too long"),
    ):
        with pytest.raises(ConfigError, match=words):
            load_files([path])


def test_a_mark_that_editors_put_in_front_is_no_matter(tmp_path):
    path = tmp_path / "marked.py"
    path.write_bytes(b"\xef\xbb\xbf" + proxy_file(tmp_path).read_bytes())
    assert file_hash(path) == file_hash(tmp_path / "mine.py")
    load_files([path])


def test_what_a_file_sets_when_executed_does_not_last(tmp_path):
    before = "import os, torch\nos.chdir('/')\nos.environ['X_OF_MINE'] = '1'\n"
    before += "torch.set_default_dtype(torch.float64)\ntorch.set_grad_enabled(False)\n"
    folder = Path.cwd()
    load_files([proxy_file(tmp_path, before=before)])
    assert Path.cwd() == folder
    assert "X_OF_MINE" not in os.environ
    assert torch.get_default_dtype() == torch.float32
    assert torch.is_grad_enabled()
