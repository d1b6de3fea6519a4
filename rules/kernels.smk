"""Kernels of architectures from the worst to the best, and their figure."""


rule choose_kernels:
    input:
        "data/benchmarks/{space}.h5",
    output:
        "results/kernels/{space}/{dataset}/architectures.h5",
    log:
        "logs/choose_kernels/{space}/{dataset}.log",
    benchmark:
        "logs/benchmarks/choose_kernels/{space}/{dataset}.tsv"
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        parts=CONFIG.kernels.architectures,
        seed=CONFIG.seed,
        code=code_hash("trainfree.analysis.choice"),
    shell:
        "python -m trainfree choose-architectures --study kernels --benchmark {input} --dataset {wildcards.dataset}"
        " --count {params.parts} --seed {params.seed} --output {output} > {log} 2>&1"


rule store_kernels:
    input:
        choice="results/kernels/{space}/{dataset}/architectures.h5",
        images="data/images/{dataset}.h5",
    output:
        "results/kernels/{space}/{dataset}/kernels.h5",
    log:
        "logs/store_kernels/{space}/{dataset}.log",
    benchmark:
        "logs/benchmarks/store_kernels/{space}/{dataset}.tsv"
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        gpu=gpus_per_job(CONFIG.scoring.device),
        mem_mb=3000,
        runtime=30,
    params:
        setting=lambda wildcards: CONFIG.kernels_setting(
            wildcards.space, wildcards.dataset
        ).json,
        device=CONFIG.scoring.device,
        code=lambda wildcards: scoring_code_hash(
            CONFIG.kernels_setting(wildcards.space, wildcards.dataset),
            "trainfree.scoring.kernels",
        ),
    shell:
        "python -m trainfree store-kernels --choice {input.choice} --images {input.images}"
        " --setting {params.setting:q} --device {params.device} --threads {threads}"
        " --output {output} > {log} 2>&1"


rule plot_kernels:
    input:
        "results/kernels/{space}/{dataset}/kernels.h5",
    output:
        report(
            "results/figures/kernels-{space}-{dataset}.svg",
            caption="../reports/captions/kernels.rst",
            category="Figures",
        ),
        "results/figures/kernels-{space}-{dataset}.png",
    log:
        "logs/plot_kernels/{space}/{dataset}.log",
    benchmark:
        "logs/benchmarks/plot_kernels/{space}/{dataset}.tsv"
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        stem=lambda wildcards, output: output[0].removesuffix(".svg"),
        code=code_hash("trainfree.report.kernel_figure"),
    shell:
        "python -m trainfree plot-kernels --kernels {input} --stem {params.stem} > {log} 2>&1"
