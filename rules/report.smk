"""Figures and the report."""

TEMPLATE_FILES = sorted(
    relative(path)
    for path in (BASE / "reports" / "templates").iterdir()
    if path.is_file()
)


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
            "trainfree.report.figures.search", "trainfree.report.figures.best_so_far"
        ),
    shell:
        "python -m trainfree plot-searches --searches {input.searches:q} --scores {input.scores:q}"
        " --benchmark {input.benchmark:q} --settings {params.settings:q}"
        " --folder {params.folder:q} --suffix {wildcards.space:q}-{wildcards.dataset:q} > {log:q} 2>&1"


rule write_report:
    input:
        tables=TABLE_FILES,
        figures=FIGURE_FILES,
        scores=MERGED_SCORES,
        searches=SEARCH_FILES,
        benchmark=BENCHMARK,
        templates=TEMPLATE_FILES,
    output:
        report(REPORT, caption="../reports/captions/report.rst", category="Report"),
    log:
        logged("write_report.log"),
    benchmark:
        logged("benchmarks/write_report.tsv")
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        results=lambda wildcards, output: str(Path(output[0]).parent.parent),
        logs=PATHS.logs,
        templates=lambda wildcards, input: str(Path(input.templates[0]).parent),
        code=code_hash("trainfree.report.page.page"),
    shell:
        "python -m trainfree report --results {params.results:q} --logs {params.logs:q}"
        " --scores {input.scores:q} --searches {input.searches:q}"
        " --benchmarks {input.benchmark:q} --templates {params.templates:q} --output {output:q}"
        " > {log:q} 2>&1"
