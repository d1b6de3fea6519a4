"""The documentation: its links lead somewhere, its code runs, its commands exist."""

from __future__ import annotations

import inspect
import re
import shlex
import shutil
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest
from analysis_fixtures import tabulate
from snakemake.cli import get_argument_parser

import trainfree
from trainfree.analysis.papers.kendall import PAPER
from trainfree.analysis.published import read_papers
from trainfree.analysis.settings import AnalysisSettings
from trainfree.cli import main, parser
from trainfree.config import Config, load_config
from trainfree.files.storage import SCHEMA_VERSIONS

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted((ROOT / "docs").glob("*.md"))
READMES = [
    path
    for pattern in ("*.md", "config/*.md", "profiles/*.md", "benchmarks/*.md", "reports/*/*.md")
    for path in sorted(ROOT.glob(pattern))
]
BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
# Programs that pages name besides our own; what they get is not checked.
OTHERS = {"pip", "pytest", "python", "docker", "apptainer", "cd", "."}
WITH_COMMANDS = [
    *("README.md", "config/README.md", "config/nasbench101.yaml"),
    *("docs/installation.md", "docs/command-line.md", "docs/configuration.md", "docs/offline.md"),
]


def load_hooks() -> ModuleType:
    spec = spec_from_file_location("docs_hooks", ROOT / "docs" / "hooks.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


HOOKS = load_hooks()


@pytest.fixture(scope="module")
def hooks() -> ModuleType:
    return HOOKS


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, what stands behind it, and its lines."""

    language: str
    options: dict[str, str]
    text: str


def blocks(path: Path, *languages: str) -> list[Block]:
    found = (
        Block(language, dict(re.findall(r'(\w+)="([^"]*)"', options)), text)
        for language, options, text in BLOCK.findall(HOOKS.written(path.read_text()))
    )
    return [block for block in found if block.language in languages]


def command_lines(path: Path) -> Iterator[list[str]]:
    for block in blocks(path, "sh"):
        for line in block.text.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                words = words[1:]
            if words and words[0] != "export":
                yield words
    for block in blocks(path, "text"):
        yield from (shlex.split(line[2:]) for line in block.text.splitlines() if line[:2] == "$ ")


# ---------------------------------------------------------------- links


def headings(path: Path) -> set[str]:
    text = re.sub(r"^(```|~~~).*?^\1", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    found = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    plain = (re.sub(r"[`*]", "", one).strip().lower() for one in found)
    return {re.sub(r"[\s]+", "-", re.sub(r"[^\w\s-]", "", one)) for one in plain}


@pytest.mark.parametrize("path", [*PAGES, *READMES], ids=lambda p: str(p.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file_and_a_heading(path, hooks):
    wrong = []

    def check(prose: str) -> str:
        for _, _, target in hooks.LINK.findall(prose):
            if re.match(r"[a-z]+:", target):
                continue
            file, _, anchor = target.partition("#")
            there = (path.parent / file).resolve() if file else path
            known = there.exists() and there.is_relative_to(ROOT)
            if not known or (anchor and anchor not in headings(there)):
                wrong.append(target)
        return prose

    hooks.outside_code(path.read_text(), check)
    assert wrong == []


def test_links_of_pages_that_live_elsewhere_hold_on_the_site(hooks):
    text = hooks.page_text("config.md")
    assert "](adding-a-proxy.md)" in text
    assert "../docs" not in text
    assert "(../config.md#searches)" not in hooks.page_text("index.md")
    assert "(config.md#searches)" in hooks.page_text("index.md")
    assert "(naswot_table1.md)" in hooks.page_text("measured/index.md")
    assert "src/trainfree" not in re.findall(r"\]\(([^)]*)\)", hooks.page_text("contributing.md"))


def test_every_page_is_in_the_navigation_and_every_entry_is_a_page(hooks):
    text = (ROOT / "mkdocs.yml").read_text()
    listed = set(re.findall(r"^ +- [^:\n]+: (\S+\.md)$", text, flags=re.MULTILINE))
    pages = {page for page in hooks.sources() if page.startswith("measured/") is False}
    assert listed == pages | {"measured/index.md"}


# ---------------------------------------------------------------- code


@pytest.fixture
def folder(tmp_path, monkeypatch, scratch_registry) -> Path:
    """A folder like a checkout in which the test configuration has run.

    Proxies of earlier pages lie in folders of their own, where a reader has one folder.
    """
    shutil.copytree(ROOT / "config", tmp_path / "config")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "accuracies.csv").write_text("1-1-1,61.5\n1-3-5,66\n3-3-3,68\n5-5-5,70.25\n")
    return tmp_path


def write_files(path: Path, folder: Path) -> None:
    """Write the page's blocks with a title into the folder, as a reader would."""
    for block in blocks(path, "python", "yaml"):
        if "title" in block.options:
            file = folder / block.options["title"]
            before = file.read_text() if block.options.get("mode") == "append" else ""
            file.write_text(before + ("\n\n" if before else "") + block.text)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_python_blocks_run_and_configurations_are_valid(path, folder, request):
    if path.name == "files.md":
        request.getfixturevalue("small_results")
    write_files(path, folder)
    namespace: dict[str, object] = {}
    for block in blocks(path, "python"):
        if "title" not in block.options:
            exec(compile(block.text, f"{path.name}", "exec"), namespace)
    for block in blocks(path, "yaml"):
        assert "title" in block.options, "say which file this is, so that it can be checked"
        load_config(Path("config/config.yaml"), Path(block.options["title"]))  # or it raises
    for block in blocks(path, "toml"):
        tomllib.loads(block.text)
    languages = {language for language, _, _ in BLOCK.findall(HOOKS.written(path.read_text()))}
    assert languages <= {"python", "yaml", "toml", "sh", "text"}


@pytest.fixture
def small_results(folder, hooks) -> None:
    """A scores and a search file where the test configuration has them."""
    place = folder / "results" / "test" / "scores" / "nasbench201_mini" / "generated"
    place.mkdir(parents=True)
    made = hooks._write_scores(folder, first=726, last=728, proxies=("naswot", "params"))
    made.replace(place / "b8-pytorch-images-s0.h5")
    place = folder / "results" / "test" / "search" / "nasbench201_mini" / "generated"
    place.mkdir(parents=True)
    hooks._write_search(folder).replace(place / "random.h5")


def test_the_chains_of_the_page_train_score_and_are_searched(folder, hooks):
    """The whole way of a space of one's own, by the commands that the workflow would run."""
    write_files(ROOT / "docs" / "adding-a-space.md", folder)
    config = load_config(Path("config/config.yaml"), Path("chains-searched.yaml"))
    images = hooks._write_images(folder)
    benchmark, scores = folder / "benchmark.h5", folder / "scores.h5"
    extra = ["--extra", "chains.py"]
    prepare = ["prepare-benchmark", "--space", "chains", "--order", "registry"]
    assert main([*prepare, "--cache", "x", "--output", str(benchmark), *extra]) == 0
    setting = config.model_copy(update={"datasets": ["generated"]}).scoring_setting("generated")
    options = ["--setting", setting.json, "--output"]
    span = ["--first", "0", "--last", "26"]
    shard = folder / "0-26.h5"
    score = ["score-shard", "--images", str(images), *span, "--device", "cpu"]
    assert main([*score, *options, str(shard)]) == 0
    assert main(["merge-scores", str(shard), *options, str(scores)]) == 0
    output = folder / "rea.h5"
    plan = config.search.plans()["rea-naswot"].json
    search = ["search", "--space", "chains", "--dataset", "generated", "--plan", plan]
    inputs = ["--scores", str(scores), "--benchmark", str(benchmark), "--seed", "0"]
    assert main([*search, *inputs, "--output", str(output), *extra]) == 0
    assert output.is_file()
    files = {
        "scores": scores,
        "searches": output,
        "benchmark": benchmark,
        "published": [paper.path for paper in read_papers(ROOT / "reports" / "published")],
        "settings": AnalysisSettings(tau_draws=2),
    }
    tau = tabulate("kendall", folder, **files)
    assert set(tau["rows"]) == {PAPER, "whole space", "best tenth"}
    assert set(tau["outcome"]) == {"cifar10/test/20"}
    assert set(tau["proxy"]) == set(config.scoring.proxies)
    assert len(tabulate("tau_sensitivity", folder, **files)) == len(config.scoring.proxies)


def test_the_tutorials_files_do_what_it_says(folder):
    page = ROOT / "docs" / "tutorial.md"
    assert main(["new-proxy", "code_distance"]) == 0
    test = Path("test_code_distance.py").resolve()
    write_files(page, folder)
    namespace: dict[str, object] = {"__file__": str(test), "__name__": test.stem}
    exec(compile(test.read_text(), test.name, "exec"), namespace)
    tests = [value for name, value in namespace.items() if name.startswith("test_")]
    assert len(tests) == 3
    for one in tests:
        one(*[mark.args[1][0] for mark in getattr(one, "pytestmark", [])])


# ---------------------------------------------------------------- commands


def targets() -> set[str]:
    text = "".join(path.read_text() for path in [ROOT / "Snakefile", *ROOT.glob("rules/*.smk")])
    return set(re.findall(r"^rule (\w+):", text, flags=re.MULTILINE))


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_commands_of_pages_are_taken_by_their_programs(path, folder):
    write_files(path, folder)
    for words in command_lines(path):
        program, *arguments = words
        if program == "trainfree":
            parser().parse_args(arguments)
        elif program == "snakemake":
            parsed = get_argument_parser().parse_args(arguments)
            assert set(parsed.targets) <= targets(), words
            for file in parsed.configfile or []:
                assert (ROOT / file).is_file() or (folder / file).is_file(), words
        elif program == "make":
            assert set(arguments) <= make_targets(), words
        else:
            assert program in OTHERS, f"{path.name}: {words}"


@pytest.mark.parametrize("name", WITH_COMMANDS)
def test_commands_within_text_are_taken_by_their_programs(name):
    """Indented ones, and those in backticks that are whole."""
    text = (ROOT / name).read_text()
    found = re.findall(r"`((?:trainfree|snakemake) [^`…]+)`", text)
    found += re.findall(r"^#? {4,}((?:trainfree|snakemake) [^…\n]+)$", text, re.MULTILINE)
    for line in found:
        program, *arguments = shlex.split(re.split(r" {2,}", line)[0], comments=True)
        if program == "snakemake":
            parsed = get_argument_parser().parse_args(arguments)
            assert set(parsed.targets) <= targets(), line
            assert all((ROOT / file).is_file() for file in parsed.configfile or []), line
        elif not arguments[0].isupper():
            assert arguments[0] in known_commands() | {"--version"}, line


def known_commands() -> set[str]:
    (found,) = (action for action in parser()._actions if getattr(action, "choices", None))
    return set(found.choices)


# ---------------------------------------------------------------- generated parts


def test_the_reference_of_keys_names_every_key(hooks):
    text = hooks.configuration_keys()
    for name, field in Config.model_fields.items():
        section = getattr(field.annotation, "model_fields", None)
        for key in [f"{name}.{key}" for key in section] if section else [name]:
            assert f"| `{key}` |" in text


def test_the_reference_of_commands_names_every_command_and_option(hooks):
    text = hooks.commands()
    for name, command in hooks.subcommands(parser()).items():
        assert f"## {name}\n" in text
        for action in command._actions:
            if action.option_strings and action.dest != "help":
                assert action.option_strings[-1] in text


def test_the_reference_of_the_library_names_everything_that_can_be_given(hooks):
    text = hooks.library()
    for name in set(trainfree.__all__) - {"__version__"}:
        section = text.partition(f"## trainfree.{name}\n")[2].partition("\n## ")[0]
        assert section, name
        if name == "proxies":
            continue
        for argument in inspect.signature(getattr(trainfree, name)).parameters:
            assert f"\n* `{argument}`: " in section, (name, argument)
    assert "initialization: Initialization | None = None" in text
    assert "``" not in text.replace("```", "")


def test_every_marker_has_a_generator_and_every_generator_a_page(hooks):
    markers = {name for path in PAGES for _, name in hooks.MARKER.findall(path.read_text())}
    assert markers == set(hooks.GENERATORS)


@pytest.mark.parametrize("source", sorted(set(HOOKS.sources().values())))
def test_generated_sections_are_in_the_files_and_up_to_date(hooks, source):
    text = (ROOT / source).read_text()
    assert text == hooks.filled(text), "run `python docs/hooks.py` and commit what it writes"
    assert text.count(hooks.END) - text.count(f"`{hooks.END}`") == len(hooks.MARKER.findall(text))


def test_a_page_on_the_site_has_the_section_and_no_marker(hooks):
    page = hooks.page_text("command-line.md")
    assert hooks.END not in page
    assert hooks.MARKER.search(page) is None
    assert page.count("\n## check-config\n") == 1


def test_filling_a_page_leaves_what_people_wrote(hooks):
    before = "# Page\n\n<!-- generated: sources -->\n\nAfter it.\n"
    after = hooks.filled(before)
    assert hooks.filled(after) == after
    assert hooks.written(after) == before
    assert "| item | source |" in after


def test_files_are_described_as_they_were_written(hooks):
    text = hooks.data_file("search")()
    assert "| `answer_accuracy` | run, budget, outcome | float64 | percent |" in text
    assert "`clock_note`" in text
    assert "0 train, 1 test" in hooks.data_file("images")()
    assert "*not reproduced*" in hooks.verdict_rule()


def test_every_kind_of_file_and_every_target_is_named():
    text = (ROOT / "docs" / "files.md").read_text()
    for kind in SCHEMA_VERSIONS:
        assert f"<!-- generated: {kind} file -->" in text or f"| `{kind}` |" in text, kind
    text = (ROOT / "docs" / "command-line.md").read_text()
    snakefile = (ROOT / "Snakefile").read_text()
    for target in set(re.findall(r"^rule (\w+):", snakefile, re.MULTILINE)) - {"all"}:
        assert f"| `snakemake {target} " in text, target
