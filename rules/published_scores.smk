"""Proxy scores that others published, for the target ``proxy_agreement``."""


rule prepare_published_scores:
    output:
        PUBLISHED_SCORES,
    log:
        logged("prepare_published_scores.log"),
    benchmark:
        logged("benchmarks/prepare_published_scores.tsv")
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        code=code_hash("trainfree.sources.published_proxy_scores"),
    shell:
        "python -m trainfree prepare-published-scores --output {output:q} > {log:q} 2>&1"
