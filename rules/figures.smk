"""Figures of stored scores and searches: one a data set, then those of all data sets."""


rule plot_scores:
    input:
        scores=SCORES,
        benchmark=ACCURACIES,
    output:
        report(
            expand(
                figure("scores-{{space}}-{{dataset}}-{proxy}.svg"),
                proxy=SHOWN_PROXIES,
            ),
            caption="../reports/captions/score_accuracy.rst",
            category="Figures",
        ),
        expand(
            figure("scores-{{space}}-{{dataset}}-{proxy}{suffix}"),
            proxy=SHOWN_PROXIES,
            suffix=[".png", ".json"],
        ),
    log:
        logged("plot_scores/{space}/{dataset}.log"),
    benchmark:
        logged("benchmarks/plot_scores/{space}/{dataset}.tsv")
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        proxies=SHOWN_PROXIES,
        stem=lambda wildcards: figure(f"scores-{wildcards.space}-{wildcards.dataset}"),
        code=code_hash("trainfree.report.figures.scores"),
    shell:
        "python -m trainfree plot-scores --scores {input.scores:q} --benchmark {input.benchmark:q}"
        " --proxies {params.proxies:q}"
        " --stem {params.stem:q} > {log:q} 2>&1"


rule plot_searches:
    input:
        searches=[filled(PATHS.search, search=name) for name in SEARCHES],
        scores=SCORES,
        benchmark=ACCURACIES,
    output:
        report(
            figure("search-{space}-{dataset}.svg"),
            caption="../reports/captions/search_figure.rst",
            category="Figures",
        ),
        report(
            figure("best_so_far-{space}-{dataset}.svg"),
            caption="../reports/captions/best_so_far.rst",
            category="Figures",
        ),
        figure("search-{space}-{dataset}.png"),
        figure("search-{space}-{dataset}.json"),
        figure("best_so_far-{space}-{dataset}.png"),
        figure("best_so_far-{space}-{dataset}.json"),
    log:
        logged("plot_searches/{space}/{dataset}.log"),
    benchmark:
        logged("benchmarks/plot_searches/{space}/{dataset}.tsv")
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        folder=folder_of_first,
        settings=CONFIG.table_settings_json,
        code=code_hash(
            "trainfree.report.figures.searches.search",
            "trainfree.report.figures.searches.best_so_far",
        ),
    shell:
        "python -m trainfree plot-searches --searches {input.searches:q} --scores {input.scores:q}"
        " --benchmark {input.benchmark:q} --settings {params.settings:q}"
        " --folder {params.folder:q} --suffix {wildcards.space:q}-{wildcards.dataset:q} > {log:q} 2>&1"


rule plot_score_panels:
    input:
        scores=MERGED_SCORES,
        benchmark=BENCHMARK,
        published=NASWOT_PAPER,
    output:
        report(
            figure(f"score_panels-{CONFIG.space}.svg"),
            caption="../reports/captions/score_panels.rst",
            category="Figures",
        ),
        figure(f"score_panels-{CONFIG.space}.png"),
        figure(f"score_panels-{CONFIG.space}.json"),
    log:
        logged("plot_score_panels.log"),
    benchmark:
        logged("benchmarks/plot_score_panels.tsv")
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        stem=stem_of_first,
        proxies=SHOWN_PROXIES,
        settings=CONFIG.table_settings_json,
        code=code_hash("trainfree.report.figures.score_panels"),
    shell:
        "python -m trainfree plot-score-panels --scores {input.scores:q}"
        " --benchmark {input.benchmark:q} --published {input.published:q}"
        " --proxies {params.proxies:q}"
        " --settings {params.settings:q} --stem {params.stem:q} > {log:q} 2>&1"


rule plot_tau:
    input:
        correlations=table("correlations.csv"),
        origin=table("correlations.json"),
        scores=MERGED_SCORES,
        benchmark=BENCHMARK,
    output:
        report(
            figure(f"score_tau-{CONFIG.space}.svg"),
            caption="../reports/captions/score_tau.rst",
            category="Figures",
        ),
        figure(f"score_tau-{CONFIG.space}.png"),
        figure(f"score_tau-{CONFIG.space}.json"),
    log:
        logged("plot_tau.log"),
    benchmark:
        logged("benchmarks/plot_tau.tsv")
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        stem=stem_of_first,
        code=code_hash("trainfree.report.figures.score_tau"),
    shell:
        "python -m trainfree plot-tau --correlations {input.correlations:q}"
        " --scores {input.scores:q} --benchmark {input.benchmark:q} --stem {params.stem:q}"
        " > {log:q} 2>&1"
