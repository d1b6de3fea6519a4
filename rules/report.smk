"""The report."""

TEMPLATE_FILES = sorted(
    relative(path)
    for path in (BASE / "reports" / "templates").iterdir()
    if path.is_file()
)


rule write_report:
    input:
        tables=TABLE_FILES,
        figures=FIGURE_FILES,
        scores=[*MERGED_SCORES, *studies.board_alone(RUN)],
        searches=SEARCH_FILES,
        benchmark=BENCHMARK,
        templates=TEMPLATE_FILES,
    output:
        report(REPORT, caption="../reports/captions/report.rst", category="Report"),
    log:
        logged("write_report.log"),
    benchmark:
        logged("benchmarks/write_report.tsv")
    conda:
        "../envs/trainfree.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        results=lambda wildcards, output: str(Path(output[0]).parent.parent),
        logs=PATHS.logs,
        templates=lambda wildcards, input: str(Path(input.templates[0]).parent),
        code=code_hash("trainfree.report.page.page"),
    shell:
        "python -m trainfree report --results {params.results:q} --logs {params.logs:q}"
        " --scores {input.scores:q} --searches {input.searches:q}"
        " --benchmarks {input.benchmark:q} --templates {params.templates:q} --output {output:q}"
        " > {log:q} 2>&1"
