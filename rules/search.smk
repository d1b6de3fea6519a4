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
        mem_mb=1000,
        runtime=30,
    params:
        algorithm=lambda wildcards: SEARCHES[wildcards.search][0],
        signal=lambda wildcards: SEARCHES[wildcards.search][1],
        scores=lambda wildcards, input: (
            f"--scores {input.scores}" if "scores" in input.keys() else ""
        ),
        runs=CONFIG.search.runs,
        budgets=CONFIG.search.budgets,
        seed=CONFIG.seed,
        settings=lambda wildcards: CONFIG.search.settings_json(
            SEARCHES[wildcards.search][0]
        ),
        code=lambda wildcards: code_hash(
            "trainfree.search.run", f"trainfree.search.{SEARCHES[wildcards.search][0]}"
        ),
    shell:
        "python -m trainfree search --space {wildcards.space} --dataset {wildcards.dataset}"
        " --algorithm {params.algorithm} --signal {params.signal} {params.scores}"
        " --benchmark {input.benchmark} --runs {params.runs} --budgets {params.budgets}"
        " --seed {params.seed} --settings {params.settings:q} --output {output} > {log} 2>&1"
