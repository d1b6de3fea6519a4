"""What forests learn from a few trainings: the target ``learned``. A job a kind of quantity."""


rule store_features:
    input:
        scores=SCORES,
        members=members_of,
        other=asked(PATHS.features, {}, code_hash("trainfree.spaces.graf.storing")),
    output:
        PATHS.features,
    log:
        logged("store_features/{space}/{dataset}.log"),
    benchmark:
        logged("benchmarks/store_features/{space}/{dataset}.tsv")
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        extra=lambda wildcards: extra_option(RUN.files_of_space(wildcards.space)),
        code=code_hash("trainfree.spaces.graf.storing"),
    shell:
        "python -m trainfree store-features --scores {input.scores:q} {params.extra:q}"
        " --output {output:q} > {log:q} 2>&1"


rule learn:
    input:
        unpack(learning_inputs),
        other=asked(
            PATHS.learned,
            lambda wildcards: CONFIG.learned.settings(
                wildcards.kind, CONFIG.seed
            ).values,
            code_hash("trainfree.analysis.studies.learning"),
        ),
    output:
        PATHS.learned,
    log:
        logged("learn/{space}/{dataset}/{kind}.log"),
    benchmark:
        logged("benchmarks/learn/{space}/{dataset}/{kind}.tsv")
    wildcard_constraints:
        kind="accuracy|deployed_accuracy|latency|energy",
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=240,
    params:
        files=lambda wildcards: named_files(
            {f"--{name}": path for name, path in learning_inputs(wildcards).items()}
        ),
        settings=lambda wildcards: CONFIG.learned.settings(
            wildcards.kind, CONFIG.seed
        ).json,
        code=code_hash("trainfree.analysis.studies.learning"),
    shell:
        "python -m trainfree learn {params.files:q}"
        " --settings {params.settings:q} --output {output:q} > {log:q} 2>&1"


rule plot_learned:
    input:
        table=table("learned.csv"),
        origin=table("learned.json"),
        scores=SCORES,
        benchmark=ACCURACIES,
    output:
        report(
            figure("learned-{space}-{dataset}.svg"),
            caption="../reports/captions/learned_figure.rst",
            category="Proxies",
        ),
        figure("learned-{space}-{dataset}.png"),
        figure("learned-{space}-{dataset}.json"),
    log:
        logged("plot_learned/{space}/{dataset}.log"),
    benchmark:
        logged("benchmarks/plot_learned/{space}/{dataset}.tsv")
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        stem=stem_of_first,
        code=code_hash("trainfree.report.figures.learned"),
    shell:
        "python -m trainfree plot-learned --table {input.table:q} --scores {input.scores:q}"
        " --benchmark {input.benchmark:q} --stem {params.stem:q} > {log:q} 2>&1"
