"""Our proxies beside scores that others computed: a target of its own, ``proxy_agreement``."""

INDEPENDENT = "data/independent/suite_zero_cifar10.csv.gz"


rule prepare_independent:
    output:
        INDEPENDENT,
    log:
        "logs/prepare_independent.log",
    benchmark:
        "logs/benchmarks/prepare_independent.tsv"
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        code=code_hash("trainfree.sources.independent"),
    shell:
        "python -m trainfree prepare-independent --output {output} > {log} 2>&1"


rule tabulate_agreement:
    input:
        scores=[
            f"results/scores/{setting.space}/{setting.dataset}/{setting.name}.h5"
            for setting in AGREEMENT
        ],
        benchmark="data/benchmarks/nasbench201.h5",
        independent=INDEPENDENT,
    output:
        multiext("results/tables/proxy_agreement", ".csv", ".md", ".tex"),
    log:
        "logs/tabulate_agreement.log",
    benchmark:
        "logs/benchmarks/tabulate_agreement.tsv"
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code_hash("trainfree.analysis.proxy_agreement"),
    shell:
        "python -m trainfree tabulate-agreement --scores {input.scores}"
        " --benchmark {input.benchmark} --independent {input.independent}"
        " --stem results/tables/proxy_agreement > {log} 2>&1"
