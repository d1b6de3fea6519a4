"""Two studies of the score: targets of their own, ``ablation`` and ``training``."""


rule choose_architectures:
    input:
        ACCURACIES,
        other=asked(
            PATHS.choice,
            {
                "seed": CONFIG.seed,
                "count": CONFIG.training.architectures,
                "above": CONFIG.training.above_percent,
            },
            code_hash("trainfree.analysis.studies.choice"),
        ),
    output:
        PATHS.choice,
    log:
        logged("choose_architectures/{study}/{space}/{dataset}.log"),
    benchmark:
        logged("benchmarks/choose_architectures/{study}/{space}/{dataset}.tsv")
    wildcard_constraints:
        study="ablation|training",
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        architectures=CONFIG.training.architectures,
        above=CONFIG.training.above_percent,
        seed=CONFIG.seed,
        code=code_hash("trainfree.analysis.studies.choice"),
    shell:
        "python -m trainfree choose-architectures --study {wildcards.study:q} --benchmark {input:q}"
        " --dataset {wildcards.dataset:q} --count {params.architectures:q} --above {params.above:q}"
        " --seed {params.seed:q} --output {output:q} > {log:q} 2>&1"


rule score_ablation:
    input:
        choice=filled(PATHS.choice, study="ablation"),
        images=IMAGES,
        members=members_of,
        other=asked(
            PATHS.ablation,
            lambda wildcards: CONFIG.ablation_setting(wildcards.dataset).values,
            lambda wildcards: scoring_code_hashes(
                ablation_base_of(wildcards),
                CONFIG.scoring.precision,
                "trainfree.scoring.jobs.ablation",
            ),
        ),
    output:
        PATHS.ablation,
    log:
        logged("score_ablation/{space}/{dataset}.log"),
    benchmark:
        logged("benchmarks/score_ablation/{space}/{dataset}.tsv")
    conda:
        "../envs/trainfree.yaml"
    threads: DEVICES.threads(ablation_base_of)
    resources:
        gpu=DEVICES.gpus(ablation_base_of),
        precision=CONFIG.scoring.precision,
        gpu_memory=str(CONFIG.scoring.gpu_memory),
        jobs_per_gpu=CONFIG.scoring.jobs_per_gpu,
        mem_mb=4000,
        runtime=240,
    params:
        setting=lambda wildcards: CONFIG.ablation_setting(wildcards.dataset).json,
        device=CONFIG.scoring.device,
        torch_threads=DEVICES.torch_threads(ablation_base_of),
        code=lambda wildcards: scoring_code_hash(
            ablation_base_of(wildcards), "trainfree.scoring.jobs.ablation"
        ),
    shell:
        "python -m trainfree score-ablation --choice {input.choice:q} --images {input.images:q}"
        " --setting {params.setting:q} --device {params.device:q}"
        " --threads {params.torch_threads:q} --helpers {threads} --precision {resources.precision:q}"
        " --gpu-memory {resources.gpu_memory:q} --jobs-per-gpu {resources.jobs_per_gpu:q}"
        " --store data/scores --output {output:q} > {log:q} 2>&1"


rule train_architecture:
    input:
        choice=filled(PATHS.choice, study="training"),
        images=IMAGES,
        members=members_of,
        other=asked(
            PATHS.training,
            CONFIG.training_setting().values,
            scoring_code_hash(
                CONFIG.training_setting().base, "trainfree.scoring.jobs.training"
            ),
        ),
    output:
        PATHS.training,
    log:
        logged("train_architecture/{space}/{dataset}/{place}.log"),
    benchmark:
        logged("benchmarks/train_architecture/{space}/{dataset}/{place}.tsv")
    wildcard_constraints:
        place=r"\d+",
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        gpu=DEVICES.gpus_of_training,
        jobs_per_gpu=CONFIG.scoring.jobs_per_gpu,
        mem_mb=4000,
        runtime=2880,
    params:
        setting=CONFIG.training_setting().json,
        device=CONFIG.scoring.device,
        code=scoring_code_hash(
            CONFIG.training_setting().base, "trainfree.scoring.jobs.training"
        ),
    shell:
        "python -m trainfree train-architecture --place {wildcards.place:q}"
        " --choice {input.choice:q} --images {input.images:q} --setting {params.setting:q}"
        " --device {params.device:q} --threads {threads}"
        " --jobs-per-gpu {resources.jobs_per_gpu:q} --output {output:q} > {log:q} 2>&1"


rule plot_ablation:
    input:
        PATHS.ablation,
    output:
        report(
            figure("ablation-{space}-{dataset}.svg"),
            caption="../reports/captions/ablation_figure.rst",
            category="Studies",
        ),
        figure("ablation-{space}-{dataset}.png"),
        figure("ablation-{space}-{dataset}.json"),
    log:
        logged("plot_ablation/{space}/{dataset}.log"),
    benchmark:
        logged("benchmarks/plot_ablation/{space}/{dataset}.tsv")
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        stem=stem_of_first,
        code=code_hash("trainfree.report.figures.ablation"),
    shell:
        "python -m trainfree plot-ablation --scores {input:q} --stem {params.stem:q} > {log:q} 2>&1"


rule plot_training:
    input:
        studies.training_files(RUN),
    output:
        report(
            figure(f"training-{CONFIG.space}-{CONFIG.datasets[0]}.svg"),
            caption="../reports/captions/training_figure.rst",
            category="Studies",
        ),
        figure(f"training-{CONFIG.space}-{CONFIG.datasets[0]}.png"),
        figure(f"training-{CONFIG.space}-{CONFIG.datasets[0]}.json"),
    log:
        logged("plot_training.log"),
    benchmark:
        logged("benchmarks/plot_training.tsv")
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        stem=stem_of_first,
        code=code_hash("trainfree.report.figures.training"),
    shell:
        "python -m trainfree plot-training --scores {input:q} --stem {params.stem:q} > {log:q} 2>&1"
