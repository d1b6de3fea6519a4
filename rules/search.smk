"""Search runs over stored scores and trained accuracies."""


rule search:
    input:
        unpack(search_inputs),
    output:
        "results/search/{space}/{dataset}/{search}.h5",
    log:
        "logs/search/{space}/{dataset}/{search}.log",
    benchmark:
        "logs/benchmarks/search/{space}/{dataset}/{search}.tsv"
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards: 3000 if wildcards.space == "nasbench101" else 1000,
        runtime=30,
    params:
        plan=lambda wildcards: plan_of(wildcards).to_json(),
        scores=lambda wildcards, input: (
            f"--scores {input.scores}" if "scores" in input.keys() else ""
        ),
        seed=CONFIG.seed,
        code=lambda wildcards: code_hash(
            "trainfree.search.run",
            f"trainfree.search.{plan_of(wildcards).algorithm}",
            module_of(wildcards.space),
        ),
    shell:
        "python -m trainfree search --space {wildcards.space} --dataset {wildcards.dataset}"
        " --plan {params.plan:q} {params.scores} --benchmark {input.benchmark}"
        " --seed {params.seed} --output {output} > {log} 2>&1"
