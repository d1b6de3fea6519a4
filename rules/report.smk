"""Figures and the report."""

TEMPLATE_FILES = sorted(
    relative(path)
    for path in (BASE / "reports" / "templates").iterdir()
    if path.is_file()
)


rule plot_scores:
    input:
        scores=f"results/scores/{{space}}/{{dataset}}/{SETTING_NAME}.h5",
        benchmark="data/benchmarks/{space}.h5",
    output:
        report(
            expand(
                "results/figures/scores-{{space}}-{{dataset}}-{proxy}.svg",
                proxy=SHOWN_PROXIES,
            ),
            caption="../reports/captions/score_accuracy.rst",
            category="Figures",
        ),
        expand(
            "results/figures/scores-{{space}}-{{dataset}}-{proxy}.png",
            proxy=SHOWN_PROXIES,
        ),
    log:
        "logs/plot_scores/{space}/{dataset}.log",
    benchmark:
        "logs/benchmarks/plot_scores/{space}/{dataset}.tsv"
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        proxies=SHOWN_PROXIES,
        code=code_hash("trainfree.report.score_figures"),
    shell:
        "python -m trainfree plot-scores --scores {input.scores} --benchmark {input.benchmark}"
        " --proxies {params.proxies}"
        " --stem results/figures/scores-{wildcards.space}-{wildcards.dataset} > {log} 2>&1"


rule plot_searches:
    input:
        searches=expand(
            "results/search/{{space}}/{{dataset}}/{search}.h5", search=SEARCHES
        ),
        scores=f"results/scores/{{space}}/{{dataset}}/{SETTING_NAME}.h5",
        benchmark="data/benchmarks/{space}.h5",
    output:
        report(
            "results/figures/search-{space}-{dataset}.svg",
            caption="../reports/captions/search_figure.rst",
            category="Figures",
        ),
        report(
            "results/figures/best_so_far-{space}-{dataset}.svg",
            caption="../reports/captions/best_so_far.rst",
            category="Figures",
        ),
        "results/figures/search-{space}-{dataset}.png",
        "results/figures/best_so_far-{space}-{dataset}.png",
    log:
        "logs/plot_searches/{space}/{dataset}.log",
    benchmark:
        "logs/benchmarks/plot_searches/{space}/{dataset}.tsv"
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        settings=CONFIG.table_settings_json,
        code=code_hash(
            "trainfree.report.search_figures", "trainfree.report.best_so_far"
        ),
    shell:
        "python -m trainfree plot-searches --searches {input.searches} --scores {input.scores}"
        " --benchmark {input.benchmark} --settings {params.settings:q}"
        " --folder results/figures --suffix {wildcards.space}-{wildcards.dataset} > {log} 2>&1"


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
        "logs/write_report.log",
    benchmark:
        "logs/benchmarks/write_report.tsv"
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        templates=lambda wildcards, input: str(Path(input.templates[0]).parent),
        code=code_hash("trainfree.report.page"),
    shell:
        "python -m trainfree report --scores {input.scores} --searches {input.searches}"
        " --benchmarks {input.benchmark} --templates {params.templates} --output {output}"
        " > {log} 2>&1"
