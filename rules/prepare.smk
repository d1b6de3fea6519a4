"""Images and trained accuracies, from the first source that has them."""


rule prepare_images:
    output:
        "data/images/{dataset}.h5",
    log:
        "logs/prepare_images/{dataset}.log",
    benchmark:
        "logs/benchmarks/prepare_images/{dataset}.tsv"
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
        "python -m trainfree prepare-images --dataset {wildcards.dataset} --order {params.order}"
        " --timeout {params.timeout} --seed {params.seed} {params.extra} --cache data/downloads"
        " --output {output} > {log} 2>&1"


rule prepare_benchmark:
    output:
        "data/benchmarks/{space}.h5",
    log:
        "logs/prepare_benchmark/{space}.log",
    benchmark:
        "logs/benchmarks/prepare_benchmark/{space}.tsv"
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        order=CONFIG.sources.order,
        timeout=CONFIG.sources.timeout_seconds,
        archive=(
            f"--nats-archive {CONFIG.sources.nats_archive}"
            if CONFIG.sources.nats_archive
            else ""
        ),
        extra=lambda wildcards: extra_option(space_files(wildcards.space)),
        code=lambda wildcards: benchmark_code_hash(wildcards.space),
    shell:
        "python -m trainfree prepare-benchmark --space {wildcards.space} --order {params.order}"
        " --timeout {params.timeout} {params.archive} {params.extra} --cache data/downloads"
        " --output {output} > {log} 2>&1"
