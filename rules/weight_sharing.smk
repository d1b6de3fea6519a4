"""Search by weights that all architectures share, for the target ``weight_sharing``."""


rule share_weights:
    input:
        images=IMAGES,
        other=asked(
            PATHS.weight_sharing,
            lambda wildcards: studies.sharing_settings(
                RUN, wildcards.method, wildcards.repeat
            ),
            lambda wildcards: sharing_code_hash(
                CONFIG.sharing_setting(wildcards.method)
            ),
        ),
    output:
        PATHS.weight_sharing,
    log:
        logged("share_weights/{space}/{dataset}/{method}/{repeat}.log"),
    benchmark:
        logged("benchmarks/share_weights/{space}/{dataset}/{method}/{repeat}.tsv")
    wildcard_constraints:
        method=r"[a-z0-9_]+",
        repeat=r"\d+",
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        gpu=DEVICES.gpus_of_training,
        jobs_per_gpu=CONFIG.scoring.jobs_per_gpu,
        mem_mb=4000,
        runtime=2880,
    params:
        setting=lambda wildcards: CONFIG.sharing_setting(wildcards.method).json,
        device=CONFIG.scoring.device,
        code=lambda wildcards: sharing_code_hash(
            CONFIG.sharing_setting(wildcards.method)
        ),
    shell:
        "python -m trainfree share-weights --setting {params.setting:q} --run {wildcards.repeat:q}"
        " --images {input.images:q} --device {params.device:q} --threads {threads}"
        " --jobs-per-gpu {resources.jobs_per_gpu:q} --output {output:q} > {log:q} 2>&1"
