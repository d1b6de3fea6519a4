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
            table("correlations.csv"),
            caption="../reports/captions/correlations.rst",
            category="Tables",
        ),
        multiext(table("correlations"), ".md", ".tex", ".json"),
    log:
        logged("tabulate_correlations.log"),
    benchmark:
        logged("benchmarks/tabulate_correlations.tsv")
    priority: 20
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        stem=stem_of_first,
        resamples=CONFIG.analysis.bootstrap_resamples,
        seed=CONFIG.seed,
        code=code_hash("trainfree.analysis.proxies.correlations"),
    shell:
        "python -m trainfree tabulate-correlations --scores {input.scores:q}"
        " --benchmark {input.benchmark:q} --published {input.published:q}"
        " --resamples {params.resamples:q} --seed {params.seed:q}"
        " --stem {params.stem:q} > {log:q} 2>&1"


rule tabulate_search:
    input:
        searches=SEARCH_FILES,
        published=NASWOT_PAPER,
    output:
        report(
            table("search.csv"),
            caption="../reports/captions/search.rst",
            category="Tables",
        ),
        multiext(table("search"), ".md", ".tex", ".json"),
    log:
        logged("tabulate_search.log"),
    benchmark:
        logged("benchmarks/tabulate_search.tsv")
    priority: 10
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        stem=stem_of_first,
        code=code_hash("trainfree.analysis.searches.search"),
    shell:
        "python -m trainfree tabulate-search --searches {input.searches:q}"
        " --published {input.published:q} --stem {params.stem:q} > {log:q} 2>&1"


rule tabulate_timing:
    input:
        scores=MERGED_SCORES,
        published=NASWOT_PAPER,
    output:
        report(
            table("timing.csv"),
            caption="../reports/captions/timing.rst",
            category="Tables",
        ),
        multiext(table("timing"), ".md", ".tex", ".json"),
    log:
        logged("tabulate_timing.log"),
    benchmark:
        logged("benchmarks/tabulate_timing.tsv")
    priority: 10
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        stem=stem_of_first,
        code=code_hash("trainfree.analysis.proxies.timing"),
    shell:
        "python -m trainfree tabulate-timing --scores {input.scores:q}"
        " --published {input.published:q} --stem {params.stem:q} > {log:q} 2>&1"


rule tabulate_published:
    """All printed tables in one job: they read the same files, most of the time of each."""
    input:
        scores=MERGED_SCORES,
        searches=SEARCH_FILES,
        benchmark=BENCHMARK,
        published=PUBLISHED,
    output:
        report(
            expand(table("{name}.csv"), name=COMPARISONS),
            caption="../reports/captions/published_table.rst",
            category="Papers",
        ),
        expand(
            table("{name}{suffix}"), name=COMPARISONS, suffix=[".md", ".tex", ".json"]
        ),
    log:
        logged("tabulate_published.log"),
    benchmark:
        logged("benchmarks/tabulate_published.tsv")
    priority: 10
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        folder=folder_of_first,
        names=COMPARISONS,
        settings=CONFIG.table_settings_json,
        code=code_hash("trainfree.analysis.papers.comparison"),
    shell:
        "python -m trainfree tabulate {params.names:q} --scores {input.scores:q}"
        " --searches {input.searches:q} --benchmark {input.benchmark:q}"
        " --published {input.published:q} --settings {params.settings:q}"
        " --folder {params.folder:q} > {log:q} 2>&1"


rule tabulate_further:
    input:
        unpack(further_table_inputs),
    output:
        report(
            table("{further}.csv"),
            caption="../reports/captions/further_table.rst",
            category="Papers",
        ),
        multiext(table("{further}"), ".md", ".tex", ".json"),
    log:
        logged("tabulate_further/{further}.log"),
    benchmark:
        logged("benchmarks/tabulate_further/{further}.tsv")
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
        folder=folder_of_first,
        files=further_table_options,
        settings=CONFIG.table_settings_json,
        code=lambda wildcards: code_hash(
            f"trainfree.analysis.{FURTHER_TABLES[wildcards.further]}"
        ),
    shell:
        "python -m trainfree tabulate {wildcards.further:q} {params.files:q}"
        " --benchmark {input.benchmark:q} --settings {params.settings:q}"
        " --folder {params.folder:q} > {log:q} 2>&1"


rule scoreboard:
    input:
        comparisons=expand(table("{name}.csv"), name=COMPARISONS),
        origins=expand(table("{name}.json"), name=COMPARISONS),
    output:
        report(
            table("scoreboard.csv"),
            caption="../reports/captions/scoreboard.rst",
            category="Papers",
        ),
        report(
            table("published.csv"),
            caption="../reports/captions/published.rst",
            category="Papers",
        ),
        multiext(table("scoreboard"), ".md", ".tex", ".json"),
        multiext(table("published"), ".md", ".tex", ".json"),
    log:
        logged("scoreboard.log"),
    benchmark:
        logged("benchmarks/scoreboard.tsv")
    priority: 10
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        folder=folder_of_first,
        code=code_hash("trainfree.analysis.overview.scoreboard"),
    shell:
        "python -m trainfree scoreboard --comparisons {input.comparisons:q}"
        " --folder {params.folder:q} > {log:q} 2>&1"


rule summarize:
    input:
        correlations=table("correlations.csv"),
        search=table("search.csv"),
        timing=table("timing.csv"),
        scoreboard=table("scoreboard.csv"),
        origins=expand(
            table("{name}.json"),
            name=["correlations", "search", "timing", "scoreboard"],
        ),
        scores=MERGED_SCORES,
        benchmark=BENCHMARK,
    output:
        report(
            table("summary.csv"),
            caption="../reports/captions/summary.rst",
            category="Summary",
        ),
        multiext(table("summary"), ".md", ".tex", ".txt", ".json"),
    log:
        logged("summarize.log"),
    benchmark:
        logged("benchmarks/summarize.tsv")
    priority: 10
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        stem=stem_of_first,
        code=code_hash("trainfree.analysis.overview.summary"),
    shell:
        "python -m trainfree summarize --correlations {input.correlations:q}"
        " --search {input.search:q} --timing {input.timing:q} --scoreboard {input.scoreboard:q}"
        " --scores {input.scores:q} --benchmark {input.benchmark:q} --stem {params.stem:q} > {log:q} 2>&1"
