"""Proxy scores that others published, for the targets ``proxy_agreement`` and ``space_agreement``."""


rule prepare_published_scores:
    output:
        PUBLISHED_SCORES,
    log:
        logged("prepare_published_scores/{published}.log"),
    benchmark:
        logged("benchmarks/prepare_published_scores/{published}.tsv")
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        code=code_hash("trainfree.sources.published_proxy_scores"),
    shell:
        "python -m trainfree prepare-published-scores --name {wildcards.published:q}"
        " --output {output:q} > {log:q} 2>&1"
