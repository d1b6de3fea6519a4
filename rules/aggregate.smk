"""Tables from stored scores and searches; nothing here needs torch."""

PUBLISHED = relative(BASE / "reports" / "published" / "naswot.yaml")


rule tabulate_correlations:
    input:
        scores=MERGED_SCORES,
        benchmark=BENCHMARK,
        published=PUBLISHED,
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
        published=PUBLISHED,
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
        published=PUBLISHED,
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


rule summarize:
    input:
        correlations="results/tables/correlations.csv",
        search="results/tables/search.csv",
        timing="results/tables/timing.csv",
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
        " --search {input.search} --timing {input.timing} --scores {input.scores}"
        " --benchmark {input.benchmark} --stem results/tables/summary > {log} 2>&1"
