"""The papers' figures of stored results."""


rule plot_score_panels:
    input:
        scores=MERGED_SCORES,
        benchmark=BENCHMARK,
        published=NASWOT_PAPER,
    output:
        report(
            f"results/figures/score_panels-{CONFIG.space}.svg",
            caption="../reports/captions/score_panels.rst",
            category="Figures",
        ),
        f"results/figures/score_panels-{CONFIG.space}.png",
    log:
        "logs/plot_score_panels.log",
    benchmark:
        "logs/benchmarks/plot_score_panels.tsv"
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        stem=lambda wildcards, output: output[0].removesuffix(".svg"),
        proxies=SHOWN_PROXIES,
        settings=CONFIG.table_settings_json,
        code=code_hash("trainfree.report.score_panels"),
    shell:
        "python -m trainfree plot-score-panels --scores {input.scores}"
        " --benchmark {input.benchmark} --published {input.published}"
        " --proxies {params.proxies}"
        " --settings {params.settings:q} --stem {params.stem} > {log} 2>&1"


rule plot_tau:
    input:
        correlations="results/tables/correlations.csv",
        scores=MERGED_SCORES,
        benchmark=BENCHMARK,
    output:
        report(
            f"results/figures/score_tau-{CONFIG.space}.svg",
            caption="../reports/captions/score_tau.rst",
            category="Figures",
        ),
        f"results/figures/score_tau-{CONFIG.space}.png",
    log:
        "logs/plot_tau.log",
    benchmark:
        "logs/benchmarks/plot_tau.tsv"
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        stem=lambda wildcards, output: output[0].removesuffix(".svg"),
        code=code_hash("trainfree.report.tau_figure"),
    shell:
        "python -m trainfree plot-tau --correlations {input.correlations}"
        " --scores {input.scores} --benchmark {input.benchmark} --stem {params.stem}"
        " > {log} 2>&1"
