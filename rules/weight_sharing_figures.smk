"""Figures of shared weights, for the target ``weight_sharing``: from its tables alone."""


rule plot_sharing_ranking:
    input:
        table=table("weight_sharing_ranking.csv"),
        origin=table("weight_sharing_ranking.json"),
    output:
        report(
            figure(f"weight_sharing_ranking-{CONFIG.space}-{CONFIG.datasets[0]}.svg"),
            caption="../reports/captions/sharing_ranking_figure.rst",
            category="Search",
        ),
        figure(f"weight_sharing_ranking-{CONFIG.space}-{CONFIG.datasets[0]}.png"),
        figure(f"weight_sharing_ranking-{CONFIG.space}-{CONFIG.datasets[0]}.json"),
    log:
        logged("plot_sharing_ranking.log"),
    benchmark:
        logged("benchmarks/plot_sharing_ranking.tsv")
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        dataset=CONFIG.datasets[0],
        stem=stem_of_first,
        code=code_hash("trainfree.report.figures.sharing.ranking"),
    shell:
        "python -m trainfree plot-sharing-ranking --table {input.table:q} --dataset {params.dataset:q}"
        " --stem {params.stem:q} > {log:q} 2>&1"


rule plot_sharing_epochs:
    input:
        table=table("weight_sharing_epochs.csv"),
        origin=table("weight_sharing_epochs.json"),
    output:
        report(
            figure(f"weight_sharing_epochs-{CONFIG.space}-{CONFIG.datasets[0]}.svg"),
            caption="../reports/captions/sharing_epochs_figure.rst",
            category="Search",
        ),
        figure(f"weight_sharing_epochs-{CONFIG.space}-{CONFIG.datasets[0]}.png"),
        figure(f"weight_sharing_epochs-{CONFIG.space}-{CONFIG.datasets[0]}.json"),
    log:
        logged("plot_sharing_epochs.log"),
    benchmark:
        logged("benchmarks/plot_sharing_epochs.tsv")
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        dataset=CONFIG.datasets[0],
        stem=stem_of_first,
        code=code_hash("trainfree.report.figures.sharing.epochs"),
    shell:
        "python -m trainfree plot-sharing-epochs --table {input.table:q} --dataset {params.dataset:q}"
        " --stem {params.stem:q} > {log:q} 2>&1"
