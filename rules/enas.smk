"""ENAS for recurrent cells: the target ``enas``. A job the search, a job each cell alone."""


rule enas_search:
    input:
        text=enas_text,
        other=asked(
            PATHS.enas,
            CONFIG.enas.search_settings(CONFIG.seed).values,
            code_hash("trainfree.weight_sharing.recurrent.jobs"),
        ),
    output:
        PATHS.enas,
    log:
        logged("enas_search.log"),
    benchmark:
        logged("benchmarks/enas_search.tsv")
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        gpu=DEVICES.gpus_of_training,
        jobs_per_gpu=CONFIG.scoring.jobs_per_gpu,
        mem_mb=4000,
        runtime=2880,
    params:
        setting=CONFIG.enas.search_settings(CONFIG.seed).json,
        text=named_files({"--text": CONFIG.enas.path}),
        device=CONFIG.scoring.device,
        code=code_hash("trainfree.weight_sharing.recurrent.jobs"),
    shell:
        "python -m trainfree enas-search --setting {params.setting:q} {params.text:q}"
        " --device {params.device:q} --threads {threads}"
        " --jobs-per-gpu {resources.jobs_per_gpu:q} --output {output:q} > {log:q} 2>&1"


rule enas_retrain:
    input:
        search=PATHS.enas,
        text=enas_text,
        other=asked(
            PATHS.enas_cell,
            CONFIG.enas.retrain_settings(CONFIG.seed).values,
            code_hash("trainfree.weight_sharing.recurrent.jobs"),
        ),
    output:
        PATHS.enas_cell,
    log:
        logged("enas_retrain/{place}.log"),
    benchmark:
        logged("benchmarks/enas_retrain/{place}.tsv")
    wildcard_constraints:
        place=r"derived|random-\d+",
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        gpu=DEVICES.gpus_of_training,
        jobs_per_gpu=CONFIG.scoring.jobs_per_gpu,
        mem_mb=4000,
        runtime=2880,
    params:
        setting=CONFIG.enas.retrain_settings(CONFIG.seed).json,
        text=named_files({"--text": CONFIG.enas.path}),
        device=CONFIG.scoring.device,
        code=code_hash("trainfree.weight_sharing.recurrent.jobs"),
    shell:
        "python -m trainfree enas-retrain --search {input.search:q} --place {wildcards.place:q}"
        " --setting {params.setting:q} {params.text:q} --device {params.device:q}"
        " --threads {threads} --jobs-per-gpu {resources.jobs_per_gpu:q} --output {output:q}"
        " > {log:q} 2>&1"


rule plot_enas:
    input:
        search=PATHS.enas,
        cells=studies.enas_cells(RUN),
    output:
        report(
            figure("enas.svg"),
            caption="../reports/captions/enas_figure.rst",
            category="Search",
        ),
        figure("enas.png"),
        figure("enas.json"),
    log:
        logged("plot_enas.log"),
    benchmark:
        logged("benchmarks/plot_enas.tsv")
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        stem=stem_of_first,
        code=code_hash("trainfree.report.figures.recurrent.search"),
    shell:
        "python -m trainfree plot-enas --search {input.search:q} --cells {input.cells:q}"
        " --stem {params.stem:q} > {log:q} 2>&1"


rule animate_enas:
    input:
        PATHS.enas,
    output:
        figure("enas-cells.gif"),
    log:
        logged("animate_enas.log"),
    benchmark:
        logged("benchmarks/animate_enas.tsv")
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code_hash("trainfree.report.figures.recurrent.animation"),
    shell:
        "python -m trainfree animate-enas --search {input:q} --output {output:q} > {log:q} 2>&1"
