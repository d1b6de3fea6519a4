"""The checked configuration as a run, and what of it Snakemake asks for by wildcards.

What follows from the configuration is derived and tested in the package, trainfree.workflow.
"""

import os
from functools import partial

from snakemake.exceptions import WorkflowError

from trainfree.analysis.published import read_papers
from trainfree.analysis.registry import tables as declared_tables
from trainfree.benchmarks.code import benchmark_code_hash
from trainfree.config import workflow_config
from trainfree.errors import ConfigError, TrainfreeError
from trainfree.images.code import images_code_hash
from trainfree.provenance import code_hash
from trainfree.scoring.jobs.demand import job_minutes
from trainfree.scoring.settings.setting import scoring_code_hash, scoring_code_hashes
from trainfree.search.fronts.plan import fronts_code_hash
from trainfree.search.plan import search_code_hash
from trainfree.spaces import load_space
from trainfree.spaces.listed import ListedSpace
from trainfree.weight_sharing.setting import sharing_code_hash
from trainfree.workflow import rerun, runs, studies
from trainfree.workflow.devices import Devices
from trainfree.workflow.environment import (
    export_environment,
    relative,
    without_braces,
)
from trainfree.workflow.field import field_learning
from trainfree.workflow.tables import RunTables, options
from trainfree.workflow.figures import OF_PROXIES as PROXY_FIGURES
from trainfree.workflow.figures import figures_of
from trainfree.workflow.lock import hold_run_lock
from trainfree.workflow.paths import (
    ACCURACIES,
    HARDWARE,
    IMAGES,
    PUBLISHED_SCORES,
    filled,
)
from trainfree.workflow.plan import write_plan

try:
    without_braces(str(BASE))
    CONFIG = workflow_config(
        config, workflow.configfiles, workflow.config_settings.config_args or []
    )
    export_environment(BASE, CONFIG.sources.mirror)
    RUN = runs.ConfiguredRun(CONFIG)
    RUN.settings_by_place  # names that clash stop the workflow here
except TrainfreeError as error:
    raise WorkflowError(str(error)) from None

PATHS = RUN.paths
result, logged = PATHS.result, PATHS.logged
table, table_files = PATHS.table, PATHS.table_files
figure, figure_files = PATHS.figure, PATHS.figure_files
of_datasets = RUN.of_datasets
asked = partial(rerun.asked, workflow)
scoring_asked = partial(rerun.scoring_asked, workflow)
DEVICES = Devices(CONFIG.scoring)


wildcard_constraints:
    space=r"[a-z0-9_]+",
    dataset=r"[a-z0-9-]+",
    setting=r"[a-z0-9-]+",
    shard=r"\d+-\d+",
    cost=r"[a-z0-9]+(-[a-z0-9]+)*",
    search=r"[a-z0-9_]+(-[a-z0-9_]+)*",
    proxy=r"[a-z0-9_]+",
    analysed=r"nasbench[a-z0-9_]+",
    printed=r"naswot_[a-z0-9_]+",
    published=r"[a-z0-9_]+",


SEARCHES = RUN.searches
SHOWN_PROXIES = RUN.shown_proxies
BENCHMARK = RUN.benchmark
SHARD_FILES = RUN.shard_files
MERGED_SCORES = RUN.score_files
SEARCH_FILES = RUN.search_files
# The scores file of each data set, for rules of one.
SCORES = filled(PATHS.scores, setting=RUN.setting_name)

TABLES = RunTables(RUN, read_papers(BASE / "reports" / "published"))
TABLE_FILES = TABLES.files()
NASWOT_PAPER = relative(BASE / "reports" / "published" / "naswot.yaml")
FIGURE_FILES = figure_files(*(drawn.name for drawn in figures_of(RUN)))
REPORT = PATHS.report


def stem_of_first(wildcards, output):
    """Return the path of the first output without its suffix."""
    return os.path.splitext(output[0])[0]


def folder_of_first(wildcards, output):
    """Return the folder of the first output."""
    return os.path.dirname(output[0])


def setting_of(wildcards):
    """Return the setting of a scores file."""
    return RUN.settings_by_place[wildcards.space, wildcards.dataset, wildcards.setting]


def members_of(wildcards):
    """Return the file that lists the architectures of a space, if the space is such a list."""
    is_list = isinstance(load_space(wildcards.space), ListedSpace)
    return [ACCURACIES.format(space=wildcards.space)] if is_list else []


def drawn_setting_of(wildcards):
    """Return the setting of scores that are drawn several times."""
    return RUN.stability[wildcards.dataset]


def ablation_base_of(wildcards):
    """Return how the suite itself would score what the ablation scores."""
    return CONFIG.ablation_setting(wildcards.dataset).base


def kernels_setting_of(wildcards):
    """Return the setting of the kernels that are drawn."""
    return CONFIG.kernels_setting(wildcards.space, wildcards.dataset)


def shards_of(wildcards):
    """Return the shards of a scores file."""
    return RUN.shards(setting_of(wildcards))


def first_and_last(wildcards):
    """Return the first and last architecture of a shard."""
    return runs.first_and_last(wildcards.shard)


def place_of(wildcards):
    """Return the space, data set and name of a search file."""
    return wildcards.space, wildcards.dataset, wildcards.search


def plan_of(wildcards):
    """Return the plan of a search file."""
    return RUN.plans[place_of(wildcards)]


def search_settings(wildcards):
    """Return what decides a search's file, but for the hashes of what it reads."""
    return RUN.search_settings(*place_of(wildcards))


def search_inputs(wildcards):
    """Return the files a search reads."""
    return RUN.search_inputs(*place_of(wildcards))


def fronts_inputs(wildcards):
    """Return the files that searches under a cost read."""
    try:
        return studies.fronts_inputs(RUN, wildcards.cost)
    except ConfigError as error:
        raise WorkflowError(str(error)) from None


def sharing_files(wildcards):
    """Return the files of all methods of weight sharing."""
    try:
        return studies.sharing_files(RUN)
    except ConfigError as error:
        raise WorkflowError(str(error)) from None


def enas_text(wildcards):
    """Return the files of the text that recurrent cells model."""
    try:
        return studies.enas_text(RUN)
    except TrainfreeError as error:
        raise WorkflowError(str(error)) from None


def extra_option(files):
    """Return files of the user's own as an option of a command; the shell line quotes it."""
    return ["--extra", *files] if files else []


def named_files(files):
    """Return those files as options that the configuration names; the shell line quotes them."""
    return [part for option, path in files.items() if path for part in (option, path)]


def caption_of(table):
    """Return the caption of a table in Snakemake's own report: a text of its own, or of any."""
    own = BASE / "reports" / "captions" / f"{table.name}.rst"
    return str(own if own.is_file() else own.with_name("table.rst"))


def table_inputs(table, wildcards):
    """Return the files that a table is made from, by kind."""
    try:
        return TABLES.inputs(table)
    except ConfigError as error:
        raise WorkflowError(str(error)) from None


def table_options(wildcards, input):
    """Return the same files as options of the command."""
    return options(dict(input.items()))


def learning_inputs(wildcards):
    """Return the files that forests learn from, by the options of the command."""
    return studies.learning_inputs(RUN, wildcards.dataset, wildcards.kind)


def nasbench101_source(wildcards):
    """Return the file with the trained accuracies of NAS-Bench-101."""
    try:
        return studies.nasbench101_source(RUN)
    except ConfigError as error:
        raise WorkflowError(str(error)) from None


def nasbench101_scores(wildcards):
    """Return the scores behind a table: of a uniform sample, or of the paper's own kind."""
    return studies.nasbench101_scores(RUN, first=wildcards.printed.endswith("_first"))
