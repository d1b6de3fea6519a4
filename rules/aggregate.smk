"""Tables from stored scores and searches; nothing here needs torch."""


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


rule tabulate_paper:
    input:
        unpack(paper_table_inputs),
    output:
        report(
            "results/tables/{paper_table}.csv",
            caption="../reports/captions/paper_table.rst",
            category="Papers",
        ),
        multiext("results/tables/{paper_table}", ".md", ".tex"),
    log:
        "logs/tabulate_paper/{paper_table}.log",
    benchmark:
        "logs/benchmarks/tabulate_paper/{paper_table}.tsv"
    wildcard_constraints:
        paper_table="|".join([*COMPARISONS, *FURTHER_TABLES]),
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        files=paper_table_options,
        settings=CONFIG.table_settings_json,
        stem=lambda wildcards, output: output[0].removesuffix(".csv"),
        code=lambda wildcards: code_hash(
            f"trainfree.analysis.{FURTHER_TABLES.get(wildcards.paper_table, 'comparison')}"
        ),
    shell:
        "python -m trainfree tabulate {wildcards.paper_table} {params.files}"
        " --benchmark {input.benchmark} --settings {params.settings:q} --stem {params.stem}"
        " > {log} 2>&1"


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
