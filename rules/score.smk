"""Scores of all architectures: one job a shard, then one file."""


rule score_shard:
    input:
        images=IMAGES,
        other=scoring_asked(PATHS.shard, setting_of),
    output:
        PATHS.shard,
    log:
        logged("score_shard/{space}/{dataset}/{setting}/{shard}.log"),
    benchmark:
        logged("benchmarks/score_shard/{space}/{dataset}/{setting}/{shard}.tsv")
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        gpu=gpus_per_job(CONFIG.scoring.device),
        mem_mb=lambda wildcards: job_memory_mb(setting_of(wildcards)),
        runtime=lambda wildcards: job_minutes(setting_of(wildcards)),
    params:
        range=first_and_last,
        setting=lambda wildcards: setting_of(wildcards).json,
        device=CONFIG.scoring.device,
        code=lambda wildcards: scoring_code_hash(setting_of(wildcards)),
    shell:
        "python -m trainfree score-shard --images {input.images:q}"
        " --first {params.range[first]:q} --last {params.range[last]:q}"
        " --setting {params.setting:q} --device {params.device:q} --threads {threads}"
        " --store data/scores --output {output:q} > {log:q} 2>&1"


rule merge_scores:
    input:
        shards=shards_of,
        other=scoring_asked(PATHS.scores, setting_of),
    output:
        PATHS.scores,
    log:
        logged("merge_scores/{space}/{dataset}/{setting}.log"),
    benchmark:
        logged("benchmarks/merge_scores/{space}/{dataset}/{setting}.tsv")
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        setting=lambda wildcards: setting_of(wildcards).json,
        code=code_hash("trainfree.scoring.jobs.merge"),
    shell:
        "python -m trainfree merge-scores --setting {params.setting:q} --output {output:q}"
        " {input.shards:q} > {log:q} 2>&1"
