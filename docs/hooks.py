"""MkDocs hooks: the generated reference, and pages that live elsewhere in the repository.

The code makes each section between ``<!-- generated: NAME -->`` and ``<!-- end of generated -->``:
when the site is built, and in the files themselves by ``python docs/hooks.py``, so that the pages
also read well in the repository. A test checks that the files are up to date. Pages outside
``docs/`` are included from where they are. Links are written for the repository and rewritten here
for the site.
"""

from __future__ import annotations

import argparse
import inspect
import json
import posixpath
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray as xr

ROOT = Path(__file__).resolve().parent.parent
# Files of the repository that are pages of the site, by their page.
ELSEWHERE = {
    "clusters.md": "profiles/README.md",
    "config.md": "config/README.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
    "speed.md": "benchmarks/README.md",
    "measured/index.md": "reports/measured/README.md",
}
END = "<!-- end of generated -->"
MARKER = re.compile(
    rf"^(<!-- generated: ([a-z_ ]+) -->)$(?:\n(?:(?!<!-- generated:).)*?^{END}$)?",
    flags=re.MULTILINE | re.DOTALL,
)
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
FENCED = re.compile(
    r"^(```|~~~).*?^\1\s*$|(?<=\n\n)(?: {4}[^\n]*\n?)+|`[^`\n]+`", re.MULTILINE | re.DOTALL
)


@cache
def sources() -> Mapping[str, str]:
    """Return the file in the repository of every page, by page."""
    own = {
        path.relative_to(ROOT / "docs").as_posix(): path.relative_to(ROOT).as_posix()
        for path in sorted((ROOT / "docs").rglob("*.md"))
    }
    measured = {
        f"measured/{path.name}": path.relative_to(ROOT).as_posix()
        for path in sorted((ROOT / "reports" / "measured").glob("*.md"))
        if path.name != "README.md"
    }
    return own | measured | ELSEWHERE


def page_text(page: str) -> str:
    """Return the text of a page as the site shows it."""
    source = sources()[page]
    text = (ROOT / source).read_text(encoding="utf-8")
    text = MARKER.sub(lambda found: _generated(found[2]), text)
    return outside_code(text, lambda prose: LINK.sub(lambda m: _link(m, source, page), prose))


def filled(text: str) -> str:
    """Return the text of a file with its generated sections as the code makes them now."""

    def section(found: re.Match[str]) -> str:
        return f"{found[1]}\n\n{_generated(found[2])}\n\n{END}"

    return MARKER.sub(section, text)


def _generated(name: str) -> str:
    return re.sub(r"\n{3,}", "\n\n", GENERATORS[name]()).strip("\n")


def written(text: str) -> str:
    """Return the text of a file without its generated sections: what people wrote."""
    return MARKER.sub(lambda found: found[1], text)


def fill() -> list[str]:
    """Write the generated sections into the pages; return the files that changed."""
    changed = []
    for source in sorted(set(sources().values())):
        path = ROOT / source
        before = path.read_text(encoding="utf-8")
        after = filled(before)
        if after != before:
            path.write_text(after, encoding="utf-8")
            changed.append(source)
    return changed


def outside_code(text: str, change: Callable[[str], str]) -> str:
    """Return the text with everything changed that is not code."""
    parts, end = [], 0
    for code in FENCED.finditer(text):
        parts += [change(text[end : code.start()]), code[0]]
        end = code.end()
    return "".join([*parts, change(text[end:])])


def _link(found: re.Match[str], source: str, page: str) -> str:
    """Return a link of ``source`` as it holds on ``page``; to what is no page, a file's name."""
    image, text, target = found.groups()
    path, _, anchor = target.partition("#")
    if not path or re.match(r"[a-z]+:", target):
        return found[0]
    wanted = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
    shown_as = next((name for name, file in sources().items() if file == wanted), None)
    if shown_as is None and wanted.startswith("docs/"):
        shown_as = wanted.removeprefix("docs/")  # an image
    if shown_as is not None:
        there = posixpath.relpath(shown_as, posixpath.dirname(page) or ".")
        return f"{image}[{text}]({there}{'#' + anchor if anchor else ''})"
    shown = text.strip("`")
    return f"`{wanted}`" if shown in (wanted, path) else f"{text} (`{wanted}`)"


# ---------------------------------------------------------------- what MkDocs calls


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that live elsewhere."""
    from mkdocs.structure.files import File

    for page, source in sources().items():
        if not source.startswith("docs/"):
            files.append(File.generated(config, page, content=page_text(page)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Fill in what is generated, and turn links of the repository into links of the site."""
    uri = page.file.src_uri
    return markdown if not sources()[uri].startswith("docs/") else page_text(uri)


# ---------------------------------------------------------------- what the code says of itself


def configuration_keys() -> str:
    """Return a section for each part of the configuration, from its JSON Schema."""
    from trainfree.config import Config

    schema = Config.model_json_schema()
    top = {key: value for key, value in schema["properties"].items() if not _section(value, schema)}
    blocks = ["## Top level", _key_table(top, schema)]
    for key, value in schema["properties"].items():
        section = _section(value, schema)
        if section:
            blocks += [f"## {key}", _inline(section.get("description", "")), ""]
            blocks += [_key_table(section["properties"], schema, f"{key}.")]
    entry = schema["$defs"]["SearchEntry"]
    blocks += ["## One search", entry["description"], "", _key_table(entry["properties"], schema)]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _section(value: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any] | None:
    reference = value.get("$ref", "").rpartition("/")[2]
    found: dict[str, Any] | None = schema["$defs"].get(reference)
    return found if found and "properties" in found else None


def _key_table(keys: Mapping[str, Any], schema: Mapping[str, Any], prefix: str = "") -> str:
    rows = [
        (
            f"`{prefix}{key}`",
            _type(value, schema),
            "required" if "default" not in value and not prefix else _default(value),
            value.get("description", ""),
        )
        for key, value in keys.items()
    ]
    return _table(("key", "type", "default", "meaning"), rows)


def _default(value: Mapping[str, Any]) -> str:
    default = value.get("default")
    if default is None:
        return "–"
    text = json.dumps(default, ensure_ascii=False)
    return f"`{text}`" if len(text) <= 80 else "see the schema"


def _type(value: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    if "enum" in value:
        return " or ".join(f"`{one}`" for one in value["enum"])
    if "anyOf" in value:
        kinds = [one for one in value["anyOf"] if one.get("type") != "null"]
        return " or ".join(_type(one, schema) for one in kinds)
    if value.get("type") == "array":
        return f"list of {_type(value['items'], schema)}"
    if "$ref" in value or value.get("type") == "object":
        return "mapping"
    limits = (("minimum", "≥"), ("exclusiveMinimum", ">"))
    bounds = [f"{sign} {value[name]:g}" for name, sign in limits if name in value]
    return " ".join([value.get("type", "any"), *bounds])


def commands() -> str:
    """Return a section for each subcommand, from the parser itself, in the order of its help."""
    from trainfree.cli import parser
    from trainfree.cli.command import grouped_commands

    blocks = []
    found, groups = subcommands(parser()), grouped_commands(parser())
    for name in (listed.dest for group in groups.values() for listed in group):
        command = found[name]
        rows = [
            (_option(action), (action.help or "").replace("%(default)s", str(action.default)))
            for action in command._actions
            if not isinstance(action, argparse._HelpAction)
        ]
        blocks += [f"## {name}", f"{command.description[:1].upper()}{command.description[1:]}."]
        blocks += [_table(("argument", "meaning"), rows)] if rows else []
    return "\n\n".join(blocks) + "\n"


def subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the parsers of the subcommands by name."""
    (found,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return dict(found.choices)


def _option(action: argparse.Action) -> str:
    if action.nargs == 0:
        value = ""
    elif action.choices:
        value = "{" + ",".join(map(str, action.choices)) + "}"
    else:
        value = str(action.metavar or action.dest.upper())
        value += {"+": " …", "*": " …"}.get(str(action.nargs), "")
    text = " ".join(filter(None, ["/".join(action.option_strings), value]))
    default = action.default
    if action.required or not action.option_strings:
        return f"`{text}`"
    shown = default not in (None, False, argparse.SUPPRESS) and default != []
    return f"`[{text}]`" + (f", default `{default}`" if shown else "")


def data_file(kind: str) -> Callable[[], str]:
    """Return what describes a small file that the writer of this kind really wrote."""

    def described() -> str:
        from trainfree.files.storage import open_dataset

        with tempfile.TemporaryDirectory() as folder:
            path = _WRITERS[kind](Path(folder))
            with open_dataset(path, kind) as dataset:
                return _described(dataset)

    return described


def _described(dataset: xr.Dataset) -> str:
    rows = [
        (
            f"`{name}`",
            ", ".join(map(str, variable.dims)) or "–",
            "text" if variable.dtype.kind in "OUST" else str(variable.dtype),
            str(variable.attrs.get("units", "")),
            _meaning(variable),
        )
        for name, variable in [*dataset.data_vars.items(), *dataset.coords.items()]
    ]
    table = _table(("variable", "dimensions", "type", "unit", "meaning"), rows)
    attributes = ", ".join(f"`{name}`" for name in sorted(dataset.attrs))
    return f"{table}\nAttributes: {attributes}.\n"


def _meaning(variable: xr.DataArray) -> str:
    meaning = str(variable.attrs.get("long_name", "labels"))
    flags = variable.attrs.get("flag_meanings")
    if flags is None:
        return meaning
    values = variable.attrs.get("flag_values", range(len(str(flags).split())))
    return f"{meaning}: " + ", ".join(
        f"{value} {flag}" for value, flag in zip(values, str(flags).split(), strict=True)
    )


def _write_images(folder: Path) -> Path:
    from trainfree.images.prepare import prepare_images

    path = folder / "images.h5"
    prepare_images("generated", path, order=["generated"], cache=folder, mirror=None, timeout=1.0)
    return path


def _write_benchmark(folder: Path) -> Path:
    from trainfree.benchmarks.prepare import prepare_benchmark

    path = folder / "benchmark.h5"
    prepare_benchmark(
        *("nasbench201_mini", path),
        order=["generated"],
        cache=folder,
        mirror=None,
        nats_archive=None,
        timeout=1.0,
    )
    return path


def _write_scores(
    folder: Path, first: int = 0, last: int = 1, proxies: tuple[str, ...] = ("params",)
) -> Path:
    from trainfree.scoring.jobs.shard import score_shard
    from trainfree.scoring.settings.setting import Setting

    path = folder / "scores.h5"
    setting = Setting(
        *("nasbench201_mini", "generated"),
        proxies=proxies,
        batch_size=8,
        initialization="pytorch",
        input="images",
        seed=0,
    )
    score_shard(setting, first, last, _write_images(folder), path, device="cpu", threads=1)
    return path


def _write_search(folder: Path) -> Path:
    from trainfree.search.plan import make_plan
    from trainfree.search.run import SearchJob, run_search

    plan = make_plan("random", {"algorithm": "random"}, runs=2, budgets=[1, 2])
    output = folder / "search.h5"
    space = "nasbench201_mini"
    run_search(SearchJob(space, "generated", plan, (), _write_benchmark(folder), output, 0))
    return output


def _write_landscape(folder: Path) -> Path:
    from trainfree.benchmarks.landscape import prepare_landscape

    output = folder / "landscape.h5"
    prepare_landscape(_write_benchmark(folder), output, walks=1, steps=2, seed=0)
    return output


def _write_sharing(folder: Path) -> Path:
    from trainfree.weight_sharing.run import share_weights
    from trainfree.weight_sharing.setting import SharingSetting

    setting = SharingSetting(
        *("nasbench201_mini", "generated", "darts_v1", "nasbench201"),
        images=16,
        image_size=0,
        channels=1,
        cells=1,
        ranked=2,
        seed=0,
        settings={"epochs": 1},
    )
    output = folder / "sharing.h5"
    share_weights(setting, 0, _write_images(folder), output, device="cpu", threads=1)
    return output


_WRITERS: Mapping[str, Callable[[Path], Path]] = {
    "images": _write_images,
    "benchmark": _write_benchmark,
    "scores": _write_scores,
    "search": _write_search,
    "landscape": _write_landscape,
    "weight_sharing": _write_sharing,
}


def proxies() -> str:
    """Return the table of the suite's proxies, from their declarations."""
    from trainfree.proxies import PROXY_NAMES, load_proxy

    made = [load_proxy(name) for name in PROXY_NAMES]
    rows = [
        (
            f"`{one.name}`",
            _first_line(one.function),
            ", ".join(sorted(one.needs)) or "–",
            one.cite,
        )
        for one in made
    ]
    return _table(("proxy", "what it is", "needs", "source"), rows)


def _first_line(function: Any) -> str:
    """Return what a function returns, by the first line of its docstring."""
    return _inline((inspect.getdoc(function) or "").splitlines()[0].removeprefix("Return "))


def library() -> str:
    """Return a section for each name of ``import trainfree``, from its docstring."""
    import trainfree
    from trainfree.library.spaces import Architecture, Architectures
    from trainfree.proxies import proxy_table
    from trainfree.proxies.registry import Proxy

    names = ("score", "rank", "correlate", "space", "batch", "open_scores", "open_benchmark")
    blocks = [_section_of(f"trainfree.{name}", getattr(trainfree, name)) for name in names]
    blocks.append(_section_of("trainfree.proxies", proxy_table))
    blocks.append(_section_of("trainfree.proxy", trainfree.proxy, described_by=Proxy))
    after = names.index("space") + 1
    blocks[after:after] = [
        _section_of("Architectures.find", Architectures.find, level=3),
        _section_of("Architecture.module", Architecture.module, level=3),
        _section_of("Architecture.network", Architecture.network, level=3),
    ]
    return "\n\n".join(blocks) + "\n"


def _section_of(name: str, function: Any, level: int = 2, described_by: Any = None) -> str:
    """Return heading, signature and docstring of a function as Markdown."""
    text = inspect.getdoc(function) or ""
    if described_by is not None:
        described = (inspect.getdoc(described_by) or "").partition("Parameters\n")[2]
        taken = inspect.signature(function).parameters
        text += (
            "\n\nParameters\n"
            + _HEADING_LINE
            + "".join(entry for name, entry in _entries(described) if name in taken)
        )
    return f"{'#' * level} {name}\n\n```python\n{_signature(name, function)}\n```\n\n{_prose(text)}"


def _signature(name: str, function: Any) -> str:
    """Return a signature on one line, or with a line for each argument."""
    found = inspect.signature(function)
    lines: list[str] = []
    for each in found.parameters.values():
        if each.kind is each.KEYWORD_ONLY and "*" not in lines:
            lines.append("*")
        if each.name != "self":
            default = "" if each.default is each.empty else f" = {each.default!r}"
            lines.append(f"{each.name}: {each.annotation}{default}")
    short, returned = name.rpartition(".")[2], found.return_annotation
    line = f"{short}({', '.join(lines)}) -> {returned}"
    if len(line) <= 88:
        return line
    return f"{short}(\n" + "".join(f"    {each},\n" for each in lines) + f") -> {returned}"


_HEADING_LINE = "-" * 10 + "\n"
_HEADING = re.compile(r"^([A-Z][A-Za-z]+)\n-+\n", flags=re.MULTILINE)


def _prose(docstring: str) -> str:
    """Return a docstring in NumPy's form as Markdown."""
    first, *rest = _HEADING.split(docstring)
    blocks = [_inline(first.strip())]
    for title, text in zip(rest[::2], rest[1::2], strict=True):
        if title == "Examples":
            blocks += _examples(text)
        else:
            blocks += [f"**{title}**", "\n".join(_items(text, code=title != "Returns"))]
    return "\n\n".join(blocks)


def _examples(text: str) -> Iterator[str]:
    """Yield the paragraphs of a section of examples, code as code."""
    for paragraph in text.strip().split("\n\n"):
        is_code = paragraph.startswith(">>>")
        yield f"```pycon\n{paragraph}\n```" if is_code else _inline(paragraph)


def _items(text: str, code: bool) -> Iterator[str]:
    """Yield a list item for each entry of a section."""
    for name, entry in _entries(text):
        body = _inline(" ".join(entry.removeprefix(name).split()))
        yield f"* {f'`{name}`' if code else name}: {body}"


def _entries(text: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the whole text of each entry of a section."""
    for found in re.finditer(r"^([^\s-].*)\n(?:^(?:[ ]+.*)?\n?)*", text, flags=re.MULTILINE):
        yield found[1], found[0]


def _inline(text: str) -> str:
    """Return text with the marks of reStructuredText as those of Markdown."""
    text = re.sub(r":(?:func|class|data|mod):`~?([^`]+)`", r"`\1`", text)
    return text.replace("``", "`")


def candidate() -> str:
    """Return the table of what a proxy may ask for, from the docstrings of ``Candidate``."""
    from trainfree.proxies.layerwise import Layerwise
    from trainfree.proxies.own_passes import OwnPasses
    from trainfree.proxies.registry import Candidate

    rows = []
    members = {**vars(Candidate), **vars(Layerwise), **vars(OwnPasses)}
    for name, member in members.items():
        if name.startswith("_"):
            continue
        text = " ".join((inspect.getdoc(member) or "").partition("\n\nRaises")[0].split())
        found = re.search(r" \[([\w ]+)\]", text)
        called = "" if isinstance(member, property) else "(…)"
        needs = "–" if found is None else ", ".join(re.split(", | and ", found[1]))
        rows.append((f"`{name}{called}`", needs, _inline(re.sub(r" \[[\w ]+\]", "", text))))
    return _table(("member", "needs", "what it is"), rows)


def sources_of_data() -> str:
    """Return the table of what comes from where, in the default order of sources."""
    from trainfree.sources.recipes import RECIPES

    rows = [
        (f"`{item}`", source.name, _place(source), getattr(source, "note", ""))
        for item, found in RECIPES.items()
        for source in found
        if source.name != "generated"
    ]
    return _table(("item", "source", "file or package", "what it is"), rows)


def _place(source: Any) -> str:
    """Return where a source has its files: paths of a mirror, an address, a package."""
    if source.name == "mirror":
        places = (f"`{wanted.places[0]}`" for wanted in source.wanted.values())
        return ", ".join(places)
    if hasattr(source, "url"):
        return f"<{source.url}>"
    if hasattr(source, "parts"):
        source = next(iter(source.parts.values()))
    if hasattr(source, "package"):
        return f"`{source.package}` {source.version}"
    return f"where `sources.{getattr(source, 'key', 'nds')}` says"


def verdict_rule() -> str:
    """Return the rule as the module that applies it states it."""
    from trainfree.analysis.papers import verdicts

    _, _, rule = (verdicts.__doc__ or "").partition("\n\n")
    return "\n".join(f"> {line}".rstrip() for line in rule.strip().splitlines()) + "\n"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    return "\n".join(_lines(head, rows)) + "\n"


def _lines(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|" + " --- |" * len(head)
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |"


GENERATORS: Mapping[str, Callable[[], str]] = {
    "configuration keys": configuration_keys,
    "commands": commands,
    "library": library,
    "proxies": proxies,
    "candidate": candidate,
    "sources": sources_of_data,
    "verdict rule": verdict_rule,
    **{f"{kind} file": data_file(kind) for kind in _WRITERS},
}


if __name__ == "__main__":
    print("\n".join(fill()) or "all pages are up to date")
