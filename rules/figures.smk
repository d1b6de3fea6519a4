"""The papers' figures of stored results."""


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
