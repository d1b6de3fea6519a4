"""The figure of proxies on networks that people use: the target ``zoo``."""


rule plot_zoo:
    input:
        **TABLES.inputs(declared_tables()["zoo"]),
        table=table("zoo.csv"),
        origin=table("zoo.json"),
    output:
        report(
            figure("zoo.svg"),
            caption="../reports/captions/zoo.rst",
            category="Proxies",
        ),
        figure("zoo.png"),
        figure("zoo.json"),
    log:
        logged("plot_zoo.log"),
    benchmark:
        logged("benchmarks/plot_zoo.tsv")
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        stem=stem_of_first,
        code=code_hash("trainfree.report.figures.zoo"),
    shell:
        "python -m trainfree plot-zoo --table {input.table:q} --scores {input.scores:q}"
        " --benchmarks {input.benchmarks:q} --stem {params.stem:q} > {log:q} 2>&1"
