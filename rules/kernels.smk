"""Kernels of architectures from the worst to the best, and their figure."""

CHOSEN_FOR_KERNELS = filled(PATHS.choice, study="kernels")


rule choose_kernels:
    input:
        ACCURACIES,
        other=asked(
            CHOSEN_FOR_KERNELS,
            {
                "study": "kernels",
                "seed": CONFIG.seed,
                "count": CONFIG.kernels.architectures,
            },
            code_hash("trainfree.analysis.studies.choice"),
        ),
    output:
        CHOSEN_FOR_KERNELS,
    log:
        logged("choose_kernels/{space}/{dataset}.log"),
    benchmark:
        logged("benchmarks/choose_kernels/{space}/{dataset}.tsv")
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        parts=CONFIG.kernels.architectures,
        seed=CONFIG.seed,
        code=code_hash("trainfree.analysis.studies.choice"),
    shell:
        "python -m trainfree choose-architectures --study kernels --benchmark {input:q} --dataset {wildcards.dataset:q}"
        " --count {params.parts:q} --seed {params.seed:q} --output {output:q} > {log:q} 2>&1"


rule store_kernels:
    input:
        choice=CHOSEN_FOR_KERNELS,
        images=IMAGES,
        members=members_of,
        other=scoring_asked(
            PATHS.kernels,
            kernels_setting_of,
            "trainfree.scoring.jobs.kernels",
        ),
    output:
        PATHS.kernels,
    log:
        logged("store_kernels/{space}/{dataset}.log"),
    benchmark:
        logged("benchmarks/store_kernels/{space}/{dataset}.tsv")
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        gpu=DEVICES.gpus(kernels_setting_of),
        jobs_per_gpu=CONFIG.scoring.jobs_per_gpu,
        mem_mb=3000,
        runtime=30,
    params:
        setting=lambda wildcards: kernels_setting_of(wildcards).json,
        device=CONFIG.scoring.device,
        code=lambda wildcards: scoring_code_hash(
            kernels_setting_of(wildcards), "trainfree.scoring.jobs.kernels"
        ),
    shell:
        "python -m trainfree store-kernels --choice {input.choice:q} --images {input.images:q}"
        " --setting {params.setting:q} --device {params.device:q} --threads {threads}"
        " --jobs-per-gpu {resources.jobs_per_gpu:q}"
        " --output {output:q} > {log:q} 2>&1"


rule plot_kernels:
    input:
        PATHS.kernels,
    output:
        report(
            figure("kernels-{space}-{dataset}.svg"),
            caption="../reports/captions/kernels.rst",
            category="Figures",
        ),
        figure("kernels-{space}-{dataset}.png"),
        figure("kernels-{space}-{dataset}.json"),
    log:
        logged("plot_kernels/{space}/{dataset}.log"),
    benchmark:
        logged("benchmarks/plot_kernels/{space}/{dataset}.tsv")
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        stem=stem_of_first,
        code=code_hash("trainfree.report.figures.kernels"),
    shell:
        "python -m trainfree plot-kernels --kernels {input:q} --stem {params.stem:q} > {log:q} 2>&1"
