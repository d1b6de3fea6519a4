"""Images and trained accuracies, from the first source that has them."""


rule prepare_images:
    input:
        other=asked(
            IMAGES,
            lambda wildcards: {
                "dataset": wildcards.dataset,
                "order": CONFIG.sources.order,
            },
            lambda wildcards: images_code_hash(wildcards.dataset),
        ),
    output:
        IMAGES,
    log:
        logged("prepare_images/{dataset}.log"),
    benchmark:
        logged("benchmarks/prepare_images/{dataset}.tsv")
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        order=CONFIG.sources.order,
        timeout=CONFIG.sources.timeout_seconds,
        seed=CONFIG.seed,
        extra=lambda wildcards: extra_option(CONFIG.image_files(wildcards.dataset)),
        code=lambda wildcards: images_code_hash(wildcards.dataset),
    shell:
        "python -m trainfree prepare-images --dataset {wildcards.dataset:q} --order {params.order:q}"
        " --timeout {params.timeout:q} --seed {params.seed:q} {params.extra:q} --cache data/downloads"
        " --output {output:q} > {log:q} 2>&1"


rule prepare_benchmark:
    input:
        other=asked(
            ACCURACIES,
            lambda wildcards: {
                "space": wildcards.space,
                "order": CONFIG.sources.order,
            },
            lambda wildcards: benchmark_code_hash(wildcards.space),
        ),
    output:
        ACCURACIES,
    log:
        logged("prepare_benchmark/{space}.log"),
    benchmark:
        logged("benchmarks/prepare_benchmark/{space}.tsv")
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        order=CONFIG.sources.order,
        timeout=CONFIG.sources.timeout_seconds,
        archive=lambda wildcards: named_files(
            {
                "--nats-archive": CONFIG.sources.nats_archive,
                "--nats-size-archive": CONFIG.sources.nats_size_archive,
                "--nds": CONFIG.sources.nds,
            }
        ),
        extra=lambda wildcards: extra_option(RUN.files_of_space(wildcards.space)),
        code=lambda wildcards: benchmark_code_hash(wildcards.space),
    shell:
        "python -m trainfree prepare-benchmark --space {wildcards.space:q} --order {params.order:q}"
        " --timeout {params.timeout:q} {params.archive:q} {params.extra:q} --cache data/downloads"
        " --output {output:q} > {log:q} 2>&1"
