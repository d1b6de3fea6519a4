"""The checked configuration, and what follows from it: names of files, shards and searches."""

import os

from snakemake.exceptions import WorkflowError

from trainfree.config import parse_config
from trainfree.errors import TrainfreeError
from trainfree.provenance import code_hash
from trainfree.scoring.devices import gpus_per_job
from trainfree.scoring.setting import Setting, scoring_code_hash, shard_ranges
from trainfree.search import ACCURACY
from trainfree.spaces import load_space
from trainfree.workflow import export_environment, hold_run_lock, relative

try:
    CONFIG = parse_config(config)
except TrainfreeError as error:
    raise WorkflowError(str(error)) from None

export_environment(BASE, CONFIG.sources.mirror)


wildcard_constraints:
    space=r"[a-z0-9_]+",
    dataset=r"[a-z0-9-]+",
    setting=r"[a-z0-9-]+",
    shard=r"\d+-\d+",
    search=r"[a-z_]+(-[a-z0-9_]+)?",
    proxy=r"[a-z0-9_]+",
    analysed=r"nasbench[a-z0-9_]+",


SETTINGS = {
    dataset: Setting(
        space=CONFIG.space,
        dataset=dataset,
        proxies=tuple(CONFIG.scoring.proxies),
        batch_size=CONFIG.scoring.batch_size,
        initialization=CONFIG.scoring.initialization,
        input=CONFIG.scoring.input,
        seed=CONFIG.seed,
    )
    for dataset in CONFIG.datasets
}
SETTING_NAME = SETTINGS[CONFIG.datasets[0]].name
SHARDS = shard_ranges(len(load_space(CONFIG.space)), CONFIG.scoring.shard_size)
SEARCHES = {
    algorithm if signal == ACCURACY else f"{algorithm}-{signal}": (algorithm, signal)
    for algorithm in CONFIG.search.algorithms
    for signal in [ACCURACY, *CONFIG.search.proxies]
}

BENCHMARK = f"data/benchmarks/{CONFIG.space}.h5"
SHARD_FILES = expand(
    "results/scores/{space}/{dataset}/{setting}/shards/{shard}.h5",
    space=CONFIG.space,
    dataset=CONFIG.datasets,
    setting=SETTING_NAME,
    shard=SHARDS,
)
MERGED_SCORES = expand(
    "results/scores/{space}/{dataset}/{setting}.h5",
    space=CONFIG.space,
    dataset=CONFIG.datasets,
    setting=SETTING_NAME,
)
SEARCH_FILES = expand(
    "results/search/{space}/{dataset}/{search}.h5",
    space=CONFIG.space,
    dataset=CONFIG.datasets,
    search=SEARCHES,
)
TABLES = ["correlations", "search", "timing"]
TABLE_FILES = [
    *expand("results/tables/{name}.{suffix}", name=TABLES, suffix=["csv", "md", "tex"]),
    *expand("results/tables/summary.{suffix}", suffix=["csv", "md", "tex", "txt"]),
]
FIGURES = [
    *expand(
        "scores-{space}-{dataset}-{proxy}",
        space=CONFIG.space,
        dataset=CONFIG.datasets,
        proxy=CONFIG.search.proxies,
    ),
    *expand("search-{space}-{dataset}", space=CONFIG.space, dataset=CONFIG.datasets),
]
FIGURE_FILES = expand(
    "results/figures/{name}.{suffix}", name=FIGURES, suffix=["svg", "png"]
)
REPORT = "results/report/index.html"


def first_and_last(wildcards):
    """Return the first and last architecture of a shard."""
    first, last = wildcards.shard.split("-")
    return {"first": int(first), "last": int(last)}


def search_inputs(wildcards):
    """Return the files a search reads: scores only when a proxy guides it."""
    _, signal = SEARCHES[wildcards.search]
    files = {"benchmark": f"data/benchmarks/{wildcards.space}.h5"}
    if signal != ACCURACY:
        files["scores"] = (
            f"results/scores/{wildcards.space}/{wildcards.dataset}/{SETTING_NAME}.h5"
        )
    return files


def nasbench101_source(wildcards):
    """Return the file with the trained accuracies of NAS-Bench-101."""
    mirror = os.environ.get("TRAINFREE_MIRROR") or CONFIG.sources.mirror
    if CONFIG.sources.nasbench101:
        return CONFIG.sources.nasbench101
    if mirror:
        return str(Path(mirror) / "nasbench101" / "nb101_108ep.npz")
    raise WorkflowError(
        "NAS-Bench-101: expected sources.nasbench101 (an official .tfrecord file) or a mirror "
        "folder (sources.mirror or TRAINFREE_MIRROR), found neither; name one of them"
    )
