"""Kernels of architectures from the worst to the best, and their figure."""


rule choose_kernels:
    input:
        "data/benchmarks/{space}.h5",
        other=asked(
            result("kernels/{space}/{dataset}/architectures.h5"),
            {
                "study": "kernels",
                "seed": CONFIG.seed,
                "count": CONFIG.kernels.architectures,
            },
            code_hash("trainfree.analysis.studies.choice"),
        ),
    output:
        result("kernels/{space}/{dataset}/architectures.h5"),
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
        choice=result("kernels/{space}/{dataset}/architectures.h5"),
        images="data/images/{dataset}.h5",
        other=scoring_asked(
            result("kernels/{space}/{dataset}/kernels.h5"),
            lambda wildcards: CONFIG.kernels_setting(
                wildcards.space, wildcards.dataset
            ),
            "trainfree.scoring.jobs.kernels",
        ),
    output:
        result("kernels/{space}/{dataset}/kernels.h5"),
    log:
        logged("store_kernels/{space}/{dataset}.log"),
    benchmark:
        logged("benchmarks/store_kernels/{space}/{dataset}.tsv")
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
            "trainfree.scoring.jobs.kernels",
        ),
    shell:
        "python -m trainfree store-kernels --choice {input.choice:q} --images {input.images:q}"
        " --setting {params.setting:q} --device {params.device:q} --threads {threads}"
        " --output {output:q} > {log:q} 2>&1"


rule plot_kernels:
    input:
        result("kernels/{space}/{dataset}/kernels.h5"),
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
