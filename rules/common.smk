"""The checked configuration, and what follows from it: names of files, shards and searches."""

import os
from dataclasses import asdict

from snakemake.exceptions import WorkflowError

from trainfree.analysis.proxies.published_proxy_scores import INDEPENDENT_COLUMNS
from trainfree.analysis.published import read_papers, table_names
from trainfree.benchmarks.code import benchmark_code_hash
from trainfree.config import workflow_config
from trainfree.errors import TrainfreeError
from trainfree.images.code import images_code_hash
from trainfree.provenance import code_hash
from trainfree.scoring.jobs.devices import gpus_per_job
from trainfree.scoring.jobs.demand import job_memory_mb, job_minutes
from trainfree.scoring.settings.setting import (
    Setting,
    scoring_code_hash,
    shard_ranges,
)
from trainfree.search.plan import search_code_hash
from trainfree.sources.recipes import RECIPES
from trainfree.spaces import load_space
from trainfree.workflow import (
    export_environment,
    hold_run_lock,
    make_again_if_other,
    relative,
    without_braces,
)

try:
    without_braces(str(BASE))
    CONFIG = workflow_config(
        config, workflow.configfiles, workflow.config_settings.config_args or []
    )
    export_environment(BASE, CONFIG.sources.mirror)
except TrainfreeError as error:
    raise WorkflowError(str(error)) from None

# What one configuration makes stays together and apart from what others make.
RESULTS = f"results/{CONFIG.run}"
LOGS = f"logs/{CONFIG.run}"
TABLE_SUFFIXES = [".csv", ".md", ".tex", ".json"]
FIGURE_SUFFIXES = [".svg", ".png", ".json"]


def result(place):
    """Return a path in this run's folder of results."""
    return f"{RESULTS}/{place}"


def logged(place):
    """Return a path in this run's folder of logs."""
    return f"{LOGS}/{place}"


def table(name):
    """Return the path of a table of this run."""
    return result(f"tables/{name}")


def figure(name):
    """Return the path of a figure of this run."""
    return result(f"figures/{name}")


def stem_of_first(wildcards, output):
    """Return the path of the first output without its suffix."""
    return os.path.splitext(output[0])[0]


def stem_of_second(wildcards, output):
    """Return the path of the second output without its suffix."""
    return os.path.splitext(output[1])[0]


def folder_of_first(wildcards, output):
    """Return the folder of the first output."""
    return os.path.dirname(output[0])


def table_files(*names):
    """Return all files of tables: for programs, for readers, and what they were made from."""
    return expand(table("{name}{suffix}"), name=names, suffix=TABLE_SUFFIXES)


def figure_files(*names):
    """Return all files of figures."""
    return expand(figure("{name}{suffix}"), name=names, suffix=FIGURE_SUFFIXES)


def of_datasets(*names):
    """Return the names of figures of which there is one a data set."""
    return expand(
        "{name}-{space}-{dataset}",
        name=names,
        space=CONFIG.space,
        dataset=CONFIG.datasets,
    )


wildcard_constraints:
    space=r"[a-z0-9_]+",
    dataset=r"[a-z0-9-]+",
    setting=r"[a-z0-9-]+",
    shard=r"\d+-\d+",
    search=r"[a-z0-9_]+(-[a-z0-9_]+)*",
    proxy=r"[a-z0-9_]+",
    analysed=r"nasbench[a-z0-9_]+",
    printed=r"naswot_[a-z0-9_]+",


SETTINGS = {dataset: CONFIG.scoring_setting(dataset) for dataset in CONFIG.datasets}
# Two seeds of our own on the same sample of architectures, beside scores that others computed.
AGREEMENT = [
    Setting(
        space="nasbench201",
        dataset="cifar10",
        proxies=tuple(INDEPENDENT_COLUMNS),
        batch_size=CONFIG.agreement.batch_size,
        initialization="pytorch",
        input="images",
        seed=CONFIG.seed + more,
        sample=CONFIG.agreement.sample,
        sample_seed=CONFIG.seed,
    )
    for more in range(2)
]
# The same architectures under several draws of mini-batch and weights.
STABILITY = {dataset: CONFIG.stability_setting(dataset) for dataset in CONFIG.datasets}
NASBENCH101 = CONFIG.nasbench101_setting()
# The NASWOT paper's own sample of it.
NASBENCH101_FIRST = CONFIG.nasbench101_setting(CONFIG.nasbench101.first_hashes)
# What each scores file is made with, and how many architectures a job scores.
SHARD_SIZES = {
    NASBENCH101: CONFIG.nasbench101.shard_size,
    # Each job puts all cells into the published order first, which takes a minute.
    NASBENCH101_FIRST: 10 * CONFIG.nasbench101.shard_size,
    **dict.fromkeys(AGREEMENT, CONFIG.agreement.shard_size),
    **dict.fromkeys(SETTINGS.values(), CONFIG.scoring.shard_size),
}
BY_PLACE = {
    (setting.space, setting.dataset, setting.name): setting for setting in SHARD_SIZES
}
if len(BY_PLACE) < len(SHARD_SIZES):
    raise WorkflowError(
        "two scores files have the same name: scoring.sample and agreement.sample, or batch sizes, "
        "agree while the proxies differ; change one of them"
    )
SETTING_NAME = SETTINGS[CONFIG.datasets[0]].name
SHARDS = shard_ranges(
    SETTINGS[CONFIG.datasets[0]].size(len(load_space(CONFIG.space))),
    CONFIG.scoring.shard_size,
)
SEARCHES = CONFIG.search.plans()
# Every search by its place; NAS-Bench-101's own ones are for the target nasbench101_scores.
PLANS = {
    **{
        ("nasbench101", "cifar10", name): plan
        for name, plan in CONFIG.nasbench101.plans().items()
    },
    **{
        (CONFIG.space, dataset, name): plan
        for dataset in CONFIG.datasets
        for name, plan in SEARCHES.items()
    },
}
GUIDES = list(
    dict.fromkeys(name for plan in SEARCHES.values() for name in plan.proxies)
)
SHOWN_PROXIES = GUIDES or ["naswot"]

BENCHMARK = f"data/benchmarks/{CONFIG.space}.h5"
SHARD_FILES = expand(
    result("scores/{space}/{dataset}/{setting}/shards/{shard}.h5"),
    space=CONFIG.space,
    dataset=CONFIG.datasets,
    setting=SETTING_NAME,
    shard=SHARDS,
)
MERGED_SCORES = expand(
    result("scores/{space}/{dataset}/{setting}.h5"),
    space=CONFIG.space,
    dataset=CONFIG.datasets,
    setting=SETTING_NAME,
)
SEARCH_FILES = expand(
    result("search/{space}/{dataset}/{search}.h5"),
    space=CONFIG.space,
    dataset=CONFIG.datasets,
    search=SEARCHES,
)

PAPERS = read_papers(BASE / "reports" / "published")
PUBLISHED = [relative(paper.path) for paper in PAPERS]
NASWOT_PAPER = relative(BASE / "reports" / "published" / "naswot.yaml")
# Tables beside the papers': the printed ones, and further ones by the module that makes them.
COMPARISONS = list(table_names(PAPERS))
FURTHER_TABLES = {
    "kendall": "papers.kendall",
    "tau_sensitivity": "papers.tau_sensitivity",
    "pearson_12_epochs": "papers.pearson_12_epochs",
    "significance": "searches.significance",
    "ranks": "searches.ranks",
    "regret": "searches.regret",
}
TABLES = [
    *("correlations", "search", "timing"),
    *COMPARISONS,
    *FURTHER_TABLES,
    *("published", "scoreboard"),
]
TABLE_FILES = [*table_files(*TABLES, "summary"), table("summary.txt")]
FIGURES = [
    *expand(
        "scores-{space}-{dataset}-{proxy}",
        space=CONFIG.space,
        dataset=CONFIG.datasets,
        proxy=GUIDES,
    ),
    *of_datasets("search", "best_so_far", "kernels"),
    f"score_panels-{CONFIG.space}",
    f"score_tau-{CONFIG.space}",
]
FIGURE_FILES = figure_files(*FIGURES)
REPORT = result("report/index.html")
# For the targets ablation and training.
ABLATION_FILES = expand(
    result("ablation/{space}/{dataset}.h5"),
    space=CONFIG.space,
    dataset=CONFIG.datasets,
)
TRAINING_FILES = expand(
    result("training/{space}/{dataset}/shards/{place}.h5"),
    space=CONFIG.space,
    dataset=CONFIG.datasets[0],
    place=range(CONFIG.training.architectures),
)

# What networks of the space cost and achieve on hardware, where anybody has looked.
HARDWARE = (
    f"data/benchmarks/hardware-{CONFIG.space}.h5"
    if f"{CONFIG.space}-hardware" in RECIPES
    else []
)
DRAWS_NAME = f"{STABILITY[CONFIG.datasets[0]].name}-d{CONFIG.stability.draws}"
DRAWS_FILES = expand(
    result("draws/{space}/{dataset}/{drawn}/{shard}.h5"),
    space=CONFIG.space,
    dataset=CONFIG.datasets,
    drawn=DRAWS_NAME,
    shard=shard_ranges(
        STABILITY[CONFIG.datasets[0]].sample, CONFIG.stability.shard_size
    ),
)
PROXY_TABLES = ["proxies", "proxy_pairs", "proxy_outcomes"]
PROXY_FIGURES = ["proxy_pairs", "proxy_outcomes", "proxy_cost", "proxy_bias"]


def asked(path, settings, code):
    """Return an input function that has a file made again which records something else.

    ``path`` has the rule's wildcards. ``settings`` and ``code`` are what should have made it, or
    functions of the wildcards.
    """

    def value(given, wildcards):
        return given(wildcards) if callable(given) else given

    def look(wildcards):
        return make_again_if_other(
            workflow,
            path.format(**wildcards),
            value(settings, wildcards),
            value(code, wildcards),
        )

    return look


def scoring_asked(path, setting, job="trainfree.scoring.jobs.shard"):
    """Return the same for a file of scores of which ``setting`` gives the setting."""
    return asked(
        path,
        lambda wildcards: asdict(setting(wildcards)),
        lambda wildcards: scoring_code_hash(setting(wildcards), job),
    )


def search_settings(wildcards):
    """Return what decides a search's file, but for the hashes of what it reads."""
    return {
        "space": wildcards.space,
        "dataset": wildcards.dataset,
        "plan": asdict(plan_of(wildcards)),
        "seed": CONFIG.seed,
    }


def first_and_last(wildcards):
    """Return the first and last architecture of a shard."""
    first, last = wildcards.shard.split("-")
    return {"first": int(first), "last": int(last)}


def setting_of(wildcards):
    """Return the setting of a scores file."""
    return BY_PLACE[wildcards.space, wildcards.dataset, wildcards.setting]


def shards_of(wildcards):
    """Return the shards of a scores file."""
    setting = setting_of(wildcards)
    size = setting.size(len(load_space(setting.space)))
    return expand(
        result("scores/{space}/{dataset}/{setting}/shards/{shard}.h5"),
        space=setting.space,
        dataset=setting.dataset,
        setting=setting.name,
        shard=shard_ranges(size, SHARD_SIZES[setting]),
    )


def plan_of(wildcards):
    """Return the plan of a search file."""
    return PLANS[wildcards.space, wildcards.dataset, wildcards.search]


def space_files(space):
    """Return the files of the user's own that a space is in."""
    return CONFIG.space_files if space == CONFIG.space else []


def search_files(plan, space):
    """Return the files of the user's own that a search is made with."""
    return [*CONFIG.search_files(plan), *space_files(space)]


def as_list(value):
    """Return one file or several as a list."""
    return [value] if isinstance(value, str) else list(value)


def extra_option(files):
    """Return files of the user's own as an option of a command; the shell line quotes it."""
    return ["--extra", *files] if files else []


def search_inputs(wildcards):
    """Return the files a search reads: scores only when a proxy guides or assists it."""
    files = {"benchmark": f"data/benchmarks/{wildcards.space}.h5"}
    if plan_of(wildcards).proxies:
        own = wildcards.space == CONFIG.space
        setting = SETTING_NAME if own else NASBENCH101.name
        files["scores"] = result(
            f"scores/{wildcards.space}/{wildcards.dataset}/{setting}.h5"
        )
    return files


def further_table_inputs(wildcards):
    """Return the files that a further table is made of: those it reads and no others."""
    if wildcards.further in ("significance", "ranks", "regret"):
        return {"benchmark": BENCHMARK, "searches": SEARCH_FILES}
    return {"benchmark": BENCHMARK, "scores": MERGED_SCORES, "published": PUBLISHED}


def further_table_options(wildcards, input):
    """Return the same files as options of the command."""
    named = (
        name for name in ("scores", "searches", "published") if name in input.keys()
    )
    return [part for name in named for part in (f"--{name}", *as_list(input[name]))]


def nasbench101_source(wildcards):
    """Return the file with the trained accuracies of NAS-Bench-101."""
    mirror = os.environ.get("TRAINFREE_MIRROR") or CONFIG.sources.mirror
    if CONFIG.sources.nasbench101:
        return without_braces(CONFIG.sources.nasbench101)
    if mirror:
        return without_braces(str(Path(mirror) / "nasbench101" / "nb101_108ep.npz"))
    raise WorkflowError(
        "NAS-Bench-101: expected sources.nasbench101 (an official .tfrecord file) or a mirror "
        "folder (sources.mirror or TRAINFREE_MIRROR), found neither; name one of them"
    )


def nasbench101_scores(wildcards):
    """Return the scores behind a table: of a uniform sample, or of the paper's own kind."""
    first = wildcards.printed.endswith("_first")
    setting = NASBENCH101_FIRST if first else NASBENCH101
    return result(f"scores/{setting.space}/{setting.dataset}/{setting.name}.h5")
