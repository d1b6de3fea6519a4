"""Our proxies beside scores that others computed: a target of its own, ``proxy_agreement``."""

INDEPENDENT = "data/independent/suite_zero_cifar10.csv.gz"


rule prepare_independent:
    output:
        INDEPENDENT,
    log:
        logged("prepare_independent.log"),
    benchmark:
        logged("benchmarks/prepare_independent.tsv")
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        code=code_hash("trainfree.sources.published_proxy_scores"),
    shell:
        "python -m trainfree prepare-independent --output {output:q} > {log:q} 2>&1"


rule tabulate_agreement:
    input:
        scores=studies.agreement_files(RUN),
        benchmark=ACCURACIES.format(space="nasbench201"),
        independent=INDEPENDENT,
    output:
        table_files("proxy_agreement"),
    log:
        logged("tabulate_agreement.log"),
    benchmark:
        logged("benchmarks/tabulate_agreement.tsv")
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        stem=stem_of_first,
        code=code_hash("trainfree.analysis.proxies.proxy_agreement"),
    shell:
        "python -m trainfree tabulate-agreement --scores {input.scores:q}"
        " --benchmark {input.benchmark:q} --independent {input.independent:q}"
        " --stem {params.stem:q} > {log:q} 2>&1"
