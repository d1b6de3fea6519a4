"""Files of what is beside the default run: targets of their own, such as ``ablation``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from trainfree.errors import ConfigError
from trainfree.scoring.settings.setting import Setting, shard_ranges
from trainfree.search.fronts.costs import COUNTED, needs_hardware
from trainfree.sources.delivery import MIRROR_VARIABLE, mirror_folder
from trainfree.sources.recipes import RECIPES
from trainfree.workflow.environment import without_braces
from trainfree.workflow.paths import HARDWARE
from trainfree.workflow.runs import CELLS, CELLS_DATASET, ConfiguredRun, place_of


def draws_name(run: ConfiguredRun) -> str:
    """Return the name of the folder of scores that are drawn several times."""
    return f"{run.stability[run.first_dataset].name}-d{run.config.stability.draws}"


def draws_files(run: ConfiguredRun, dataset: str) -> list[str]:
    """Return the files of a data set's scores that are drawn several times."""
    sample = run.stability[run.first_dataset].sample
    return [
        run.paths.draws.format(space=run.space, dataset=dataset, drawn=draws_name(run), shard=shard)
        for shard in shard_ranges(sample, run.config.stability.shard_size)
    ]


def all_draws_files(run: ConfiguredRun) -> list[str]:
    """Return those of all data sets."""
    return [path for dataset in run.config.datasets for path in draws_files(run, dataset)]


def ablation_files(run: ConfiguredRun) -> list[str]:
    """Return the files of the ablation, one a data set."""
    return [
        run.paths.ablation.format(space=run.space, dataset=dataset)
        for dataset in run.config.datasets
    ]


def training_files(run: ConfiguredRun) -> list[str]:
    """Return the files of the scores during training, one per architecture."""
    return [
        run.paths.training.format(space=run.space, dataset=run.first_dataset, place=place)
        for place in range(run.config.training.architectures)
    ]


def learned_files(run: ConfiguredRun) -> list[str]:
    """Return the files of what forests learn, one a data set and a kind of quantity."""
    measured = hardware_file(run) is not None
    return [
        run.paths.learned.format(space=run.space, dataset=dataset, kind=kind)
        for dataset in run.config.datasets
        for kind in run.config.learned.targets
        if kind == "accuracy" or measured
    ]


def learning_inputs(run: ConfiguredRun, dataset: str, kind: str) -> dict[str, str]:
    """Return the files that forests learn from, by the options of the command."""
    files = {
        "scores": run.scores(run.settings[dataset]),
        "benchmark": run.benchmark,
        "features": run.paths.features.format(space=run.space, dataset=dataset),
    }
    hardware = None if kind == "accuracy" else hardware_file(run)
    return files | ({} if hardware is None else {"hardware": hardware})


def hardware_file(run: ConfiguredRun) -> str | None:
    """Return the file of what networks cost on hardware; None where nobody has looked."""
    measured = f"{run.space}-hardware" in RECIPES
    return HARDWARE.format(space=run.space) if measured else None


def fronts_files(run: ConfiguredRun) -> list[str]:
    """Return the files of searches under costs on the first data set, one a cost."""
    return [
        run.paths.fronts.format(space=run.space, dataset=run.first_dataset, cost=cost)
        for cost in run.config.pareto.costs
    ]


def fronts_settings(run: ConfiguredRun, cost: str) -> dict[str, Any]:
    """Return what decides the file of one cost, but for the hashes of what it reads."""
    return {
        "space": run.space,
        "dataset": run.first_dataset,
        "plan": run.config.pareto.plan(cost).values,
        "seed": run.config.seed,
    }


def fronts_inputs(run: ConfiguredRun, cost: str) -> dict[str, str]:
    """Return the files that the searches under one cost read.

    Raises
    ------
    ConfigError
        When the cost is one of hardware, and nobody has measured the space there.
    """
    files = {
        "benchmark": run.benchmark,
        "scores": run.scores(run.settings[run.first_dataset]),
    }
    if needs_hardware(cost):
        hardware = hardware_file(run)
        if hardware is None:
            raise ConfigError(
                f"pareto.costs: {cost}: no benchmark of {run.space} on hardware is known; choose "
                f"among {', '.join(COUNTED)}"
            )
        files["hardware"] = hardware
    return files


def sharing_files(run: ConfiguredRun) -> list[str]:
    """Return the files of weight sharing on the first data set, one a method and run.

    Raises
    ------
    ConfigError
        When the space has no super-network.
    """
    for method in run.config.weight_sharing.methods:
        run.config.sharing_setting(method).check()
    return [
        run.paths.weight_sharing.format(
            space=run.space, dataset=run.first_dataset, method=method, repeat=repeat
        )
        for method in run.config.weight_sharing.methods
        for repeat in range(run.config.weight_sharing.runs)
    ]


def sharing_beside(run: ConfiguredRun) -> list[str]:
    """Return those of them that the papers' tables of a run read.

    They take long, so that a run has them only where its configuration names the methods.

    Raises
    ------
    ConfigError
        As :func:`sharing_files`.
    """
    named = "methods" in run.config.weight_sharing.model_fields_set
    return sharing_files(run) if named else []


def sharing_settings(run: ConfiguredRun, method: str, repeat: str) -> dict[str, Any]:
    """Return what decides the file of one run of a method."""
    return {**run.config.sharing_setting(method).values, "run": int(repeat)}


def enas_cells(run: ConfiguredRun) -> list[str]:
    """Return the files of the recurrent cells that are trained alone, the derived one first."""
    places = ["derived", *(f"random-{number}" for number in range(run.config.enas.randoms))]
    return [run.paths.enas_cell.format(place=place) for place in places]


def enas_text(run: ConfiguredRun) -> list[str]:
    """Return the files of the text that recurrent cells model; none where Python has it.

    Raises
    ------
    ConfigError
        When one is not there.
    TrainfreeError
        When Snakemake would take a path for a wildcard.
    """
    files = run.config.enas.text_files
    for path in files:
        if not Path(path).is_file():
            raise ConfigError(
                f"enas.path: expected the file {path}, found none; put it there or name another"
            )
    return [without_braces(path) for path in files]


def enas_convolutional_file(run: ConfiguredRun) -> str:
    """Return the file of the search for convolutional cells on the first data set."""
    return run.paths.enas_convolutional.format(dataset=run.first_dataset)


def agreement_files(run: ConfiguredRun) -> list[str]:
    """Return the scores files that stand beside scores that others computed."""
    return [run.scores(setting) for setting in run.agreement]


def space_agreement_files(run: ConfiguredRun) -> list[str]:
    """Return those on other spaces, two seeds of each one after the other."""
    return [run.scores(setting) for pair in run.space_agreement.values() for setting in pair]


def field_files(run: ConfiguredRun) -> list[str]:
    """Return the scores files behind the field's tables.

    Raises
    ------
    ConfigError
        When one would have the name of another scores file of the run, of other proxies.
    """
    remedy = "change field.seeds or field.batch_size, or the run's seed"
    return _own_files(run, run.field, "field", remedy)


def board_files(run: ConfiguredRun) -> list[str]:
    """Return the scores files behind the board of proxies, the run's own seed first.

    Raises
    ------
    ConfigError
        As :func:`field_files`.
    """
    return _own_files(run, run.board, "board", "change board.sample")


def _own_files(
    run: ConfiguredRun, settings: Iterable[Setting], section: str, remedy: str
) -> list[str]:
    """Return the scores files of a section, none of which has the name of another one."""
    files = []
    for setting in settings:
        if run.settings_by_place[place_of(setting)] != setting:
            raise ConfigError(
                f"{section}: the scores {setting.name} on {setting.dataset} are wanted with other "
                f"proxies than the run's own of that name; {remedy}"
            )
        files.append(run.scores(setting))
    return files


def board_alone(run: ConfiguredRun) -> list[str]:
    """Return those of them that no other table reads."""
    return board_files(run) if run.board_alone else []


def field_whole(run: ConfiguredRun, dataset: str) -> str:
    """Return the scores file of all architectures behind the field's tables."""
    every = (each for each in run.field if each.dataset == dataset)
    return next(run.scores(each) for each in every if not each.sample and not each.subset)


def field_learned_files(run: ConfiguredRun) -> list[str]:
    """Return what forests learn for the field's tables, a file a data set."""
    return [
        run.paths.field_learned.format(space=run.space, dataset=dataset)
        for dataset in run.config.datasets
    ]


def nasbench101_source(run: ConfiguredRun) -> str:
    """Return the file with the trained accuracies of NAS-Bench-101.

    Raises
    ------
    ConfigError
        When the configuration and the environment name none.
    TrainfreeError
        When Snakemake would take its path for a wildcard.
    """
    sources = run.config.sources
    if sources.nasbench101:
        return without_braces(sources.nasbench101)
    mirror = mirror_folder(sources.mirror)
    if mirror:
        return without_braces(str(Path(mirror) / "nasbench101" / "nb101_108ep.npz"))
    raise ConfigError(
        "NAS-Bench-101: expected sources.nasbench101 (an official .tfrecord file) or a mirror "
        f"folder (sources.mirror or {MIRROR_VARIABLE}), found neither; name one of them"
    )


def nasbench101_scores(run: ConfiguredRun, *, first: bool) -> str:
    """Return the scores of a uniform sample of its cells, or of the first ones of its table."""
    return run.scores(run.nasbench101_first if first else run.nasbench101)


def nasbench101_searches(run: ConfiguredRun) -> list[str]:
    """Return the files of the searches of the space."""
    return [
        run.paths.search.format(space=CELLS, dataset=CELLS_DATASET, search=name)
        for name in run.config.nasbench101.plans()
    ]
