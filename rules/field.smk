"""What forests learn beside the proxies of the field's tables, for the target ``field_tables``."""


use rule store_features as store_field_features with:
    input:
        scores=lambda wildcards: studies.field_whole(RUN, wildcards.dataset),
        members=members_of,
        other=asked(
            PATHS.field_features, {}, code_hash("trainfree.spaces.graf.storing")
        ),
    output:
        PATHS.field_features,
    log:
        logged("store_field_features/{space}/{dataset}.log"),
    benchmark:
        logged("benchmarks/store_field_features/{space}/{dataset}.tsv")


use rule learn as learn_for_field with:
    input:
        scores=lambda wildcards: studies.field_whole(RUN, wildcards.dataset),
        benchmark=ACCURACIES,
        features=PATHS.field_features,
        other=asked(
            PATHS.field_learned,
            field_learning(CONFIG).values,
            code_hash("trainfree.analysis.studies.learning"),
        ),
    output:
        PATHS.field_learned,
    log:
        logged("learn_for_field/{space}/{dataset}.log"),
    benchmark:
        logged("benchmarks/learn_for_field/{space}/{dataset}.tsv")
    params:
        files=lambda wildcards, input: named_files(
            {
                f"--{name}": getattr(input, name)
                for name in ("scores", "benchmark", "features")
            }
        ),
        settings=field_learning(CONFIG).json,
        code=code_hash("trainfree.analysis.studies.learning"),
