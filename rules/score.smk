"""Scores of all architectures: one job a shard, then one file."""


rule score_shard:
    input:
        images=IMAGES,
        members=members_of,
        other=scoring_asked(PATHS.shard, setting_of, precision=CONFIG.scoring.precision),
    output:
        PATHS.shard,
    log:
        logged("score_shard/{space}/{dataset}/{setting}/{shard}.log"),
    benchmark:
        logged("benchmarks/score_shard/{space}/{dataset}/{setting}/{shard}.tsv")
    conda:
        "../envs/trainfree.yaml"
    threads: DEVICES.threads(setting_of)
    resources:
        gpu=DEVICES.gpus(setting_of),
        precision=CONFIG.scoring.precision,
        gpu_memory=str(CONFIG.scoring.gpu_memory),
        jobs_per_gpu=CONFIG.scoring.jobs_per_gpu,
        mem_mb=DEVICES.memory_mb(setting_of),
        runtime=lambda wildcards: job_minutes(setting_of(wildcards)),
    params:
        range=first_and_last,
        setting=lambda wildcards: setting_of(wildcards).json,
        device=CONFIG.scoring.device,
        torch_threads=DEVICES.torch_threads(setting_of),
        code=lambda wildcards: scoring_code_hash(setting_of(wildcards)),
    shell:
        "python -m trainfree score-shard --images {input.images:q}"
        " --first {params.range[first]:q} --last {params.range[last]:q}"
        " --setting {params.setting:q} --device {params.device:q}"
        " --threads {params.torch_threads:q} --helpers {threads} --precision {resources.precision:q}"
        " --gpu-memory {resources.gpu_memory:q} --jobs-per-gpu {resources.jobs_per_gpu:q}"
        " --store data/scores --output {output:q} > {log:q} 2>&1"


rule merge_scores:
    input:
        shards=shards_of,
        other=scoring_asked(
            PATHS.scores, setting_of, precision=CONFIG.scoring.precision
        ),
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
