"""Proxies on several spaces beside each other: the target ``spaces``."""


rule plot_spaces:
    input:
        spaces=table("spaces.csv"),
        ranks=table("space_ranks.csv"),
        origins=[table("spaces.json"), table("space_ranks.json")],
    output:
        report(
            figure("spaces.svg"),
            caption="../reports/captions/spaces_figure.rst",
            category="Spaces",
        ),
        figure("spaces.png"),
        figure("spaces.json"),
    log:
        logged("plot_spaces.log"),
    benchmark:
        logged("benchmarks/plot_spaces.tsv")
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        stem=stem_of_first,
        code=code_hash("trainfree.report.figures.spaces"),
    shell:
        "python -m trainfree plot-spaces --spaces {input.spaces:q} --ranks {input.ranks:q}"
        " --stem {params.stem:q} > {log:q} 2>&1"
