"""trainfree: from image and accuracy sources to scores, searches, tables and a report.

    snakemake --cores 8 --resources gpu=2            the default run (config/config.yaml)
    snakemake --cores 2 --configfile config/test.yaml   the whole graph in seconds

Rules are in rules/, one file a stage; every rule is one call of the trainfree command.
"""

from pathlib import Path

from snakemake.utils import min_version

min_version("9.19")

BASE = Path(workflow.basedir)


configfile: str(BASE / "config" / "config.yaml")


report: "reports/captions/workflow.rst"


include: "rules/common.smk"
include: "rules/prepare.smk"
include: "rules/score.smk"
include: "rules/search.smk"
include: "rules/pareto.smk"
include: "rules/weight_sharing.smk"
include: "rules/weight_sharing_figures.smk"
include: "rules/published_scores.smk"
include: "rules/proxies.smk"
include: "rules/aggregate.smk"
include: "rules/kernels.smk"
include: "rules/report.smk"
include: "rules/figures.smk"
include: "rules/nasbench101.smk"
include: "rules/spaces.smk"
include: "rules/studies.smk"
include: "rules/zoo.smk"
include: "rules/learned.smk"
include: "rules/field.smk"
include: "rules/enas.smk"
include: "rules/enas_convolutional.smk"


onstart:
    hold_run_lock(workflow)
    write_plan(workflow)


onerror:
    from trainfree.terminal.logs import failures

    print(
        *failures(Path()),
        "Some jobs failed. What is there gives tables too, see config/README.md: Tables",
        sep="\n",
    )


localrules:
    all,
    tables,
    figures,
    paper_figures,
    scores,
    searches,
    proxy_agreement,
    space_agreement,
    proxy_tables,
    proxy_figures,
    proxy_stability,
    pareto,
    weight_sharing,
    nasbench101,
    nasbench101_scores,
    landscape,
    ablation,
    training,
    learned,
    enas,
    enas_convolutional,
    zoo,
    spaces,
    field_tables,


# Shards and searches are products too: one that is deleted is made again.
rule all:
    default_target: True
    input:
        SHARD_FILES,
        MERGED_SCORES,
        SEARCH_FILES,
        TABLE_FILES,
        FIGURE_FILES,
        REPORT,


rule scores:
    input:
        SHARD_FILES,
        MERGED_SCORES,


rule searches:
    input:
        SEARCH_FILES,


rule tables:
    input:
        TABLE_FILES,


rule figures:
    input:
        FIGURE_FILES,


# With those of NAS-Bench-101, whose accuracies no package registry has.
rule paper_figures:
    input:
        FIGURE_FILES,
        figure_files("kernels-nasbench101-cifar10"),


# Beside scores that others computed; not part of the default run.
rule proxy_agreement:
    input:
        TABLES.files("proxy_agreement"),


# The same on other spaces.
rule space_agreement:
    input:
        TABLES.files("space_agreement"),


# Proxies beside each other, with everything that is known of the trained networks.
rule proxy_tables:
    input:
        TABLES.files("proxy_tables"),


rule proxy_figures:
    input:
        figure_files(*of_datasets(*PROXY_FIGURES)),


# The same architectures under other mini-batches and other weights.
rule proxy_stability:
    input:
        TABLES.files("proxy_stability"),
        figure_files(*of_datasets("proxy_stability")),


# Pareto fronts of accuracy against what networks cost, and the best within limits.
rule pareto:
    input:
        TABLES.files("pareto"),
        figure_files(f"pareto-{CONFIG.space}-{CONFIG.datasets[0]}"),


# Search by shared weights: what each method chose, epoch by epoch, and what that is worth.
rule weight_sharing:
    input:
        sharing_files,
        TABLES.files("weight_sharing"),
        figure_files(
            *(
                f"weight_sharing_{name}-{CONFIG.space}-{CONFIG.datasets[0]}"
                for name in ("ranking", "epochs")
            )
        ),


rule nasbench101:
    input:
        "data/spaces/nasbench101.h5",
        "data/benchmarks/nasbench101.h5",
        table_files("landscape-nasbench101"),


# Scores of a sample of its cells, and what they say beside the NASWOT paper's numbers.
rule nasbench101_scores:
    input:
        table_files(
            "nasbench101_naswot_table1",
            "nasbench101_naswot_figure3",
            "nasbench101_naswot_figure3_first",
        ),


rule landscape:
    input:
        table_files(f"landscape-{CONFIG.space}"),


# What a score owes to the draw of images, weights and batch size.
rule ablation:
    input:
        TABLES.files("ablation"),
        figure_files(*of_datasets("ablation")),


# Proxies on several spaces beside each other.
rule spaces:
    input:
        TABLES.files("spaces"),
        figure_files("spaces"),


# The tables that papers on proxies print, beside their numbers.
rule field_tables:
    input:
        TABLES.files("field_tables"),


# The score after every epoch of training.
rule training:
    input:
        TABLES.files("training"),
        figure_files(f"training-{CONFIG.space}-{CONFIG.datasets[0]}"),


# What a few trainings teach a forest, beside what proxies say without any.
rule learned:
    input:
        TABLES.files("learned"),
        figure_files(*of_datasets("learned")),


# A recurrent cell by ENAS, and what comes of it beside random cells and n-gram models.
rule enas:
    input:
        TABLES.files("enas"),
        figure_files("enas"),
        figure("enas-cells.gif"),


# Convolutional cells by ENAS, and what comes of them beside random cells.
rule enas_convolutional:
    input:
        TABLES.files("enas_convolutional"),
        figure_files("enas_convolutional", "enas_convolutional-cells"),
        figure("enas_convolutional-cells.gif"),


# Whether proxies rank networks that people use.
rule zoo:
    input:
        TABLES.files("zoo"),
        figure_files("zoo"),
