"""Two studies of the score: targets of their own, ``ablation`` and ``training``."""


rule choose_architectures:
    input:
        "data/benchmarks/{space}.h5",
    output:
        "results/{study}/{space}/{dataset}/architectures.h5",
    log:
        "logs/choose_architectures/{study}/{space}/{dataset}.log",
    benchmark:
        "logs/benchmarks/choose_architectures/{study}/{space}/{dataset}.tsv"
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
        code=code_hash("trainfree.analysis.choice"),
    shell:
        "python -m trainfree choose-architectures --study {wildcards.study} --benchmark {input}"
        " --dataset {wildcards.dataset} --count {params.architectures} --above {params.above}"
        " --seed {params.seed} --output {output} > {log} 2>&1"


rule score_ablation:
    input:
        choice="results/ablation/{space}/{dataset}/architectures.h5",
        images="data/images/{dataset}.h5",
    output:
        "results/ablation/{space}/{dataset}.h5",
    log:
        "logs/score_ablation/{space}/{dataset}.log",
    benchmark:
        "logs/benchmarks/score_ablation/{space}/{dataset}.tsv"
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        gpu=gpus_per_job(CONFIG.scoring.device),
        mem_mb=4000,
        runtime=240,
    params:
        setting=lambda wildcards: CONFIG.ablation_setting(wildcards.dataset).json,
        device=CONFIG.scoring.device,
        code=lambda wildcards: scoring_code_hash(
            CONFIG.ablation_setting(wildcards.dataset).base,
            "trainfree.scoring.ablation",
        ),
    shell:
        "python -m trainfree score-ablation --choice {input.choice} --images {input.images}"
        " --setting {params.setting:q} --device {params.device} --threads {threads}"
        " --output {output} > {log} 2>&1"


rule train_architecture:
    input:
        choice="results/training/{space}/{dataset}/architectures.h5",
        images="data/images/{dataset}.h5",
    output:
        "results/training/{space}/{dataset}/shards/{place}.h5",
    log:
        "logs/train_architecture/{space}/{dataset}/{place}.log",
    benchmark:
        "logs/benchmarks/train_architecture/{space}/{dataset}/{place}.tsv"
    wildcard_constraints:
        place=r"\d+",
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        gpu=gpus_per_job(CONFIG.scoring.device),
        mem_mb=4000,
        runtime=2880,
    params:
        setting=CONFIG.training_setting().json,
        device=CONFIG.scoring.device,
        code=scoring_code_hash(
            CONFIG.training_setting().base, "trainfree.scoring.training"
        ),
    shell:
        "python -m trainfree train-architecture --place {wildcards.place}"
        " --choice {input.choice} --images {input.images} --setting {params.setting:q}"
        " --device {params.device} --threads {threads} --output {output} > {log} 2>&1"


rule tabulate_ablation:
    input:
        ABLATION_FILES,
    output:
        report(
            "results/tables/ablation.csv",
            caption="../reports/captions/ablation_table.rst",
            category="Studies",
        ),
        multiext("results/tables/ablation", ".md", ".tex"),
    log:
        "logs/tabulate_ablation.log",
    benchmark:
        "logs/benchmarks/tabulate_ablation.tsv"
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code_hash("trainfree.analysis.ablation_table"),
    shell:
        "python -m trainfree tabulate-ablation --scores {input} --stem results/tables/ablation"
        " > {log} 2>&1"


rule plot_ablation:
    input:
        "results/ablation/{space}/{dataset}.h5",
    output:
        report(
            "results/figures/ablation-{space}-{dataset}.svg",
            caption="../reports/captions/ablation_figure.rst",
            category="Studies",
        ),
        "results/figures/ablation-{space}-{dataset}.png",
    log:
        "logs/plot_ablation/{space}/{dataset}.log",
    benchmark:
        "logs/benchmarks/plot_ablation/{space}/{dataset}.tsv"
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        stem=lambda wildcards, output: output[0].removesuffix(".svg"),
        code=code_hash("trainfree.report.ablation_figure"),
    shell:
        "python -m trainfree plot-ablation --scores {input} --stem {params.stem} > {log} 2>&1"


rule tabulate_training:
    input:
        TRAINING_FILES,
    output:
        report(
            "results/tables/training.csv",
            caption="../reports/captions/training_table.rst",
            category="Studies",
        ),
        multiext("results/tables/training", ".md", ".tex"),
    log:
        "logs/tabulate_training.log",
    benchmark:
        "logs/benchmarks/tabulate_training.tsv"
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code_hash("trainfree.analysis.training_table"),
    shell:
        "python -m trainfree tabulate-training --scores {input} --stem results/tables/training"
        " > {log} 2>&1"


rule plot_training:
    input:
        TRAINING_FILES,
    output:
        report(
            f"results/figures/training-{CONFIG.space}-{CONFIG.datasets[0]}.svg",
            caption="../reports/captions/training_figure.rst",
            category="Studies",
        ),
        f"results/figures/training-{CONFIG.space}-{CONFIG.datasets[0]}.png",
    log:
        "logs/plot_training.log",
    benchmark:
        "logs/benchmarks/plot_training.tsv"
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        stem=lambda wildcards, output: output[0].removesuffix(".svg"),
        code=code_hash("trainfree.report.training_figure"),
    shell:
        "python -m trainfree plot-training --scores {input} --stem {params.stem} > {log} 2>&1"
