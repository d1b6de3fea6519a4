"""Tables from stored scores and searches; nothing here needs torch.

They come before figures: the summary waits for them, and the report for that. The longest are first.
"""


rule tabulate_correlations:
    input:
        scores=MERGED_SCORES,
        benchmark=BENCHMARK,
        published=NASWOT_PAPER,
    output:
        report(
            "results/tables/correlations.csv",
            caption="../reports/captions/correlations.rst",
            category="Tables",
        ),
        multiext("results/tables/correlations", ".md", ".tex"),
    log:
        "logs/tabulate_correlations.log",
    benchmark:
        "logs/benchmarks/tabulate_correlations.tsv"
    priority: 20
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        resamples=CONFIG.analysis.bootstrap_resamples,
        seed=CONFIG.seed,
        code=code_hash("trainfree.analysis.correlations"),
    shell:
        "python -m trainfree tabulate-correlations --scores {input.scores}"
        " --benchmark {input.benchmark} --published {input.published}"
        " --resamples {params.resamples} --seed {params.seed}"
        " --stem results/tables/correlations > {log} 2>&1"


rule tabulate_search:
    input:
        searches=SEARCH_FILES,
        published=NASWOT_PAPER,
    output:
        report(
            "results/tables/search.csv",
            caption="../reports/captions/search.rst",
            category="Tables",
        ),
        multiext("results/tables/search", ".md", ".tex"),
    log:
        "logs/tabulate_search.log",
    benchmark:
        "logs/benchmarks/tabulate_search.tsv"
    priority: 10
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code_hash("trainfree.analysis.search_table"),
    shell:
        "python -m trainfree tabulate-search --searches {input.searches}"
        " --published {input.published} --stem results/tables/search > {log} 2>&1"


rule tabulate_timing:
    input:
        scores=MERGED_SCORES,
        published=NASWOT_PAPER,
    output:
        report(
            "results/tables/timing.csv",
            caption="../reports/captions/timing.rst",
            category="Tables",
        ),
        multiext("results/tables/timing", ".md", ".tex"),
    log:
        "logs/tabulate_timing.log",
    benchmark:
        "logs/benchmarks/tabulate_timing.tsv"
    priority: 10
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        code=code_hash("trainfree.analysis.timing"),
    shell:
        "python -m trainfree tabulate-timing --scores {input.scores}"
        " --published {input.published} --stem results/tables/timing > {log} 2>&1"


rule tabulate_published:
    """All printed tables in one job: they read the same files, most of the time of each."""
    input:
        scores=MERGED_SCORES,
        searches=SEARCH_FILES,
        benchmark=BENCHMARK,
        published=PUBLISHED,
    output:
        report(
            expand("results/tables/{name}.csv", name=COMPARISONS),
            caption="../reports/captions/published_table.rst",
            category="Papers",
        ),
        expand("results/tables/{name}.{suffix}", name=COMPARISONS, suffix=["md", "tex"]),
    log:
        "logs/tabulate_published.log",
    benchmark:
        "logs/benchmarks/tabulate_published.tsv"
    priority: 10
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        names=" ".join(COMPARISONS),
        settings=CONFIG.table_settings_json,
        code=code_hash("trainfree.analysis.comparison"),
    shell:
        "python -m trainfree tabulate {params.names} --scores {input.scores}"
        " --searches {input.searches} --benchmark {input.benchmark}"
        " --published {input.published} --settings {params.settings:q}"
        " --folder results/tables > {log} 2>&1"


rule tabulate_further:
    input:
        unpack(further_table_inputs),
    output:
        report(
            "results/tables/{further}.csv",
            caption="../reports/captions/further_table.rst",
            category="Papers",
        ),
        multiext("results/tables/{further}", ".md", ".tex"),
    log:
        "logs/tabulate_further/{further}.log",
    benchmark:
        "logs/benchmarks/tabulate_further/{further}.tsv"
    wildcard_constraints:
        further="|".join(FURTHER_TABLES),
    priority: 20
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        files=further_table_options,
        settings=CONFIG.table_settings_json,
        code=lambda wildcards: code_hash(
            f"trainfree.analysis.{FURTHER_TABLES[wildcards.further]}"
        ),
    shell:
        "python -m trainfree tabulate {wildcards.further} {params.files}"
        " --benchmark {input.benchmark} --settings {params.settings:q}"
        " --folder results/tables > {log} 2>&1"


rule scoreboard:
    input:
        comparisons=expand("results/tables/{name}.csv", name=COMPARISONS),
    output:
        report(
            "results/tables/scoreboard.csv",
            caption="../reports/captions/scoreboard.rst",
            category="Papers",
        ),
        report(
            "results/tables/published.csv",
            caption="../reports/captions/published.rst",
            category="Papers",
        ),
        multiext("results/tables/scoreboard", ".md", ".tex"),
        multiext("results/tables/published", ".md", ".tex"),
    log:
        "logs/scoreboard.log",
    benchmark:
        "logs/benchmarks/scoreboard.tsv"
    priority: 10
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        code=code_hash("trainfree.analysis.scoreboard"),
    shell:
        "python -m trainfree scoreboard --comparisons {input.comparisons}"
        " --folder results/tables > {log} 2>&1"


rule summarize:
    input:
        correlations="results/tables/correlations.csv",
        search="results/tables/search.csv",
        timing="results/tables/timing.csv",
        scoreboard="results/tables/scoreboard.csv",
        scores=MERGED_SCORES,
        benchmark=BENCHMARK,
    output:
        report(
            "results/tables/summary.csv",
            caption="../reports/captions/summary.rst",
            category="Summary",
        ),
        multiext("results/tables/summary", ".md", ".tex", ".txt"),
    log:
        "logs/summarize.log",
    benchmark:
        "logs/benchmarks/summarize.tsv"
    priority: 10
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        code=code_hash("trainfree.analysis.summary"),
    shell:
        "python -m trainfree summarize --correlations {input.correlations}"
        " --search {input.search} --timing {input.timing} --scoreboard {input.scoreboard}"
        " --scores {input.scores} --benchmark {input.benchmark} --stem results/tables/summary > {log} 2>&1"
