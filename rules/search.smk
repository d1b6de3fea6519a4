"""Search runs over stored scores and trained accuracies."""


rule search:
    input:
        unpack(search_inputs),
        other=asked(
            PATHS.search,
            search_settings,
            lambda wildcards: search_code_hash(plan_of(wildcards), wildcards.space),
        ),
    output:
        PATHS.search,
    log:
        logged("search/{space}/{dataset}/{search}.log"),
    benchmark:
        logged("benchmarks/search/{space}/{dataset}/{search}.tsv")
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards: 3000 if wildcards.space == "nasbench101" else 1000,
        runtime=30,
    params:
        plan=lambda wildcards: plan_of(wildcards).json,
        scores=lambda wildcards, input: (
            ["--scores", *input.scores] if "scores" in input.keys() else []
        ),
        seed=CONFIG.seed,
        extra=lambda wildcards: extra_option(RUN.files_of_search(*place_of(wildcards))),
        code=lambda wildcards: search_code_hash(plan_of(wildcards), wildcards.space),
    shell:
        "python -m trainfree search --space {wildcards.space:q} --dataset {wildcards.dataset:q}"
        " --plan {params.plan:q} {params.scores:q} {params.extra:q} --benchmark {input.benchmark:q}"
        " --seed {params.seed:q} --output {output:q} > {log:q} 2>&1"
