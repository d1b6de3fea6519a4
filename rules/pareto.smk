"""Searches under costs, for the target ``pareto``: fronts, and the best within limits."""


rule search_fronts:
    input:
        unpack(fronts_inputs),
        other=asked(
            PATHS.fronts,
            lambda wildcards: studies.fronts_settings(RUN, wildcards.cost),
            lambda wildcards: fronts_code_hash(wildcards.space),
        ),
    output:
        PATHS.fronts,
    log:
        logged("search_fronts/{space}/{dataset}/{cost}.log"),
    benchmark:
        logged("benchmarks/search_fronts/{space}/{dataset}/{cost}.tsv")
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=60,
    params:
        plan=lambda wildcards: CONFIG.pareto.plan(wildcards.cost).json,
        hardware=lambda wildcards, input: (
            ["--hardware", input.hardware] if "hardware" in input.keys() else []
        ),
        seed=CONFIG.seed,
        extra=lambda wildcards: extra_option(RUN.files_of_space(wildcards.space)),
        code=lambda wildcards: fronts_code_hash(wildcards.space),
    shell:
        "python -m trainfree search-fronts --space {wildcards.space:q} --dataset {wildcards.dataset:q}"
        " --plan {params.plan:q} --scores {input.scores:q} --benchmark {input.benchmark:q}"
        " {params.hardware:q} {params.extra:q} --seed {params.seed:q} --output {output:q}"
        " > {log:q} 2>&1"


rule plot_pareto:
    input:
        studies.fronts_files(RUN),
    output:
        report(
            figure(f"pareto-{CONFIG.space}-{CONFIG.datasets[0]}.svg"),
            caption="../reports/captions/pareto_figure.rst",
            category="Search",
        ),
        figure(f"pareto-{CONFIG.space}-{CONFIG.datasets[0]}.png"),
        figure(f"pareto-{CONFIG.space}-{CONFIG.datasets[0]}.json"),
    log:
        logged("plot_pareto.log"),
    benchmark:
        logged("benchmarks/plot_pareto.tsv")
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        stem=stem_of_first,
        code=code_hash("trainfree.report.figures.searches.pareto"),
    shell:
        "python -m trainfree plot-pareto --fronts {input:q} --stem {params.stem:q} > {log:q} 2>&1"
