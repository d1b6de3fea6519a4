"""ENAS for convolutional cells: the target ``enas_convolutional``, one job and its figures."""

ENAS_CONVOLUTIONAL = studies.enas_convolutional_file(RUN)


rule search_convolutional_cells:
    input:
        images=filled(IMAGES, dataset=CONFIG.datasets[0]),
        other=asked(
            ENAS_CONVOLUTIONAL,
            CONFIG.enas_convolutional_settings.values,
            code_hash("trainfree.weight_sharing.convolutional.run"),
        ),
    output:
        ENAS_CONVOLUTIONAL,
    log:
        logged("search_convolutional_cells.log"),
    benchmark:
        logged("benchmarks/search_convolutional_cells.tsv")
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        gpu=DEVICES.gpus_of_training,
        jobs_per_gpu=CONFIG.scoring.jobs_per_gpu,
        mem_mb=4000,
        runtime=2880,
    params:
        setting=CONFIG.enas_convolutional_settings.json,
        device=CONFIG.scoring.device,
        code=code_hash("trainfree.weight_sharing.convolutional.run"),
    shell:
        "python -m trainfree enas-convolutional --setting {params.setting:q}"
        " --images {input.images:q} --device {params.device:q} --threads {threads}"
        " --jobs-per-gpu {resources.jobs_per_gpu:q} --output {output:q} > {log:q} 2>&1"


rule plot_enas_convolutional:
    input:
        ENAS_CONVOLUTIONAL,
    output:
        report(
            figure("enas_convolutional.svg"),
            caption="../reports/captions/enas_convolutional_figure.rst",
            category="Search",
        ),
        figure("enas_convolutional.png"),
        figure("enas_convolutional.json"),
    log:
        logged("plot_enas_convolutional.log"),
    benchmark:
        logged("benchmarks/plot_enas_convolutional.tsv")
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        stem=stem_of_first,
        code=code_hash("trainfree.report.figures.convolutional.search"),
    shell:
        "python -m trainfree plot-enas-convolutional --search {input:q} --stem {params.stem:q}"
        " > {log:q} 2>&1"


rule plot_enas_convolutional_cells:
    input:
        ENAS_CONVOLUTIONAL,
    output:
        report(
            figure("enas_convolutional-cells.svg"),
            caption="../reports/captions/enas_convolutional_cells_figure.rst",
            category="Search",
        ),
        figure("enas_convolutional-cells.png"),
        figure("enas_convolutional-cells.json"),
    log:
        logged("plot_enas_convolutional_cells.log"),
    benchmark:
        logged("benchmarks/plot_enas_convolutional_cells.tsv")
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        stem=stem_of_first,
        code=code_hash("trainfree.report.figures.convolutional.derived"),
    shell:
        "python -m trainfree plot-enas-convolutional-cells --search {input:q}"
        " --stem {params.stem:q} > {log:q} 2>&1"


rule animate_enas_convolutional:
    input:
        ENAS_CONVOLUTIONAL,
    output:
        figure("enas_convolutional-cells.gif"),
    log:
        logged("animate_enas_convolutional.log"),
    benchmark:
        logged("benchmarks/animate_enas_convolutional.tsv")
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code_hash("trainfree.report.figures.convolutional.animation"),
    shell:
        "python -m trainfree animate-enas-convolutional --search {input:q} --output {output:q}"
        " > {log:q} 2>&1"
