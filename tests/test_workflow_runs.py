"""What follows from a configuration: names, shards, files and the errors of what does not agree."""

from __future__ import annotations

import shutil
from dataclasses import FrozenInstanceError, asdict
from types import SimpleNamespace

import pytest

from trainfree.config import parse_config
from trainfree.errors import ConfigError, TrainfreeError
from trainfree.scoring.settings.setting import scoring_code_hash
from trainfree.sources.delivery import MIRROR_VARIABLE
from trainfree.workflow import rerun, studies
from trainfree.workflow.paths import Paths, filled
from trainfree.workflow.runs import ConfiguredRun, first_and_last

MINI = "nasbench201_mini"
NONE = {"searches": {}}


def configured(**values: object) -> ConfiguredRun:
    """A run on two data sets of the space of 729 architectures."""
    return ConfiguredRun(
        parse_config(
            {
                "run": "test",
                "seed": 3,
                "space": MINI,
                "datasets": ["cifar10", "cifar100"],
                "scoring": {"proxies": ["naswot", "params"], "batch_size": 8, "shard_size": 300},
                "search": {
                    "budgets": [5],
                    "searches": {
                        "random": {"algorithm": "random"},
                        "rea-naswot": {"algorithm": "rea", "signal": "naswot"},
                    },
                },
                **values,
            }
        )
    )


def test_everything_of_a_run_is_in_its_own_folders():
    run = configured()
    patterns = [
        getattr(run.paths, name)
        for name, value in vars(Paths).items()
        if isinstance(value, property) and name != "logs"
    ]
    assert len(patterns) > 8
    assert all(f"{pattern}/".startswith("results/test/") for pattern in patterns)
    assert run.paths.logged("a.log") == "logs/test/a.log"
    assert run.paths.table("a") == "results/test/tables/a"
    files = run.paths.table_files("a", "b")
    assert files[:5] == [
        *(f"results/test/tables/a{suffix}" for suffix in (".csv", ".md", ".tex", ".json")),
        "results/test/tables/b.csv",
    ]
    figures = run.paths.figure_files("a")
    assert figures == [f"results/test/figures/a{suffix}" for suffix in (".svg", ".png", ".json")]
    assert run.of_datasets("a", "b") == [
        f"{name}-{MINI}-{dataset}" for name in "ab" for dataset in ("cifar10", "cifar100")
    ]


def test_two_runs_share_no_file():
    one, other = configured(), configured(run="other")
    for files in ("shard_files", "score_files", "search_files"):
        assert not {*getattr(one, files)} & {*getattr(other, files)}


def test_a_pattern_is_filled_in_part():
    assert filled("a/{b}/{c}.h5", b="x") == "a/x/{c}.h5"
    assert filled("a/{b}", c="x") == "a/{b}"


def test_a_run_stays_as_it_is_configured():
    run = configured()
    with pytest.raises(FrozenInstanceError):
        run.config = configured(run="other").config  # type: ignore[misc]


def test_shards_cover_the_space_once_and_are_merged_by_data_set():
    run = configured()
    folder = f"results/test/scores/{MINI}/{{}}/b8-pytorch-images-s3"
    names = ["000-299", "300-599", "600-728"]
    assert run.shard_files == [
        f"{folder.format(dataset)}/shards/{name}.h5"
        for dataset in ("cifar10", "cifar100")
        for name in names
    ]
    assert run.score_files == [f"{folder.format(name)}.h5" for name in ("cifar10", "cifar100")]
    ranges = [first_and_last(name) for name in names]
    assert ranges[0] == {"first": 0, "last": 299}
    covered = [i for shard in ranges for i in range(shard["first"], shard["last"] + 1)]
    assert covered == list(range(729))


def test_a_sample_is_what_is_split():
    run = configured(scoring={"sample": 10, "shard_size": 4, "proxies": ["naswot"]}, search=NONE)
    assert [path[-6:] for path in run.shard_files[:3]] == ["0-3.h5", "4-7.h5", "8-9.h5"]
    assert run.setting_name.endswith("-n10")


def test_each_scores_file_has_the_size_of_its_own_section():
    run = configured(nasbench101={"shard_size": 7}, agreement={"shard_size": 9})
    sizes = run.shard_sizes
    assert sizes[run.nasbench101] == 7
    assert sizes[run.nasbench101_first] == 70
    assert {sizes[setting] for setting in run.agreement} == {9}
    assert {sizes[setting] for setting in run.settings.values()} == {300}
    assert len(run.shards(run.nasbench101)) == 143
    assert set(run.settings_by_place.values()) == set(sizes)
    for (space, dataset, name), setting in run.settings_by_place.items():
        assert (space, dataset, name) == (setting.space, setting.dataset, setting.name)


def test_agreement_is_one_sample_under_two_seeds():
    first, second = configured().agreement
    assert (first.seed, second.seed) == (3, 4)
    assert first.sample_seed == second.sample_seed == 3
    assert first.name != second.name


def test_scores_of_one_name_that_are_made_otherwise_are_refused():
    agreement = {"sample": 20, "batch_size": 8}
    scoring = {"sample": 20, "batch_size": 8, "proxies": ["naswot"]}
    clash = configured(
        space="nasbench201", datasets=["cifar10"], scoring=scoring, agreement=agreement, search=NONE
    )
    with pytest.raises(ConfigError, match=r"two scores files have the same name: scoring\.sample"):
        clash.settings_by_place  # noqa: B018  (worked out when it is asked for)


def test_searches_have_plans_files_and_inputs():
    run = configured()
    assert list(run.searches) == ["random", "rea-naswot"]
    assert run.search_files[:3] == [
        f"results/test/search/{MINI}/cifar10/random.h5",
        f"results/test/search/{MINI}/cifar10/rea-naswot.h5",
        f"results/test/search/{MINI}/cifar100/random.h5",
    ]
    assert run.guides == run.shown_proxies == ["naswot"]
    benchmark = {"benchmark": f"data/benchmarks/{MINI}.h5"}
    assert run.search_inputs(MINI, "cifar100", "random") == benchmark
    scores = run.score_files[1]
    assert run.search_inputs(MINI, "cifar100", "rea-naswot") == {**benchmark, "scores": [scores]}
    told = run.search_settings(MINI, "cifar10", "random")
    assert told == {
        "space": MINI,
        "dataset": "cifar10",
        "plan": asdict(run.searches["random"]),
        "seed": 3,
    }


def test_searches_take_draws_of_the_next_seeds_with_the_proxies_that_guide():
    scoring = {"proxies": ["params", "naswot"], "batch_size": 8, "shard_size": 300, "draws": 3}
    run = configured(scoring=scoring)
    files = run.search_inputs(MINI, "cifar100", "rea-naswot")["scores"]
    assert files[0] == run.score_files[1]
    assert [file.partition("-s")[2] for file in files] == ["3.h5", "4.h5", "5.h5"]
    first, *others = (
        run.settings_by_place[MINI, "cifar100", f"b8-pytorch-images-s{n}"] for n in (3, 4, 5)
    )
    assert first.proxies == ("params", "naswot")
    assert [other.proxies for other in others] == [("naswot",)] * 2
    assert len(run.shards(others[0])) == len(run.shards(first)) == 3
    assert len(run.score_files) == 2, "tables of scores have the first draw"
    alone = configured(scoring=scoring, search=NONE)
    assert len(alone.draws["cifar10"]) == 1, "nothing looks other draws up"


def test_figures_of_scores_show_naswot_where_no_proxy_guides():
    run = configured(search=NONE)
    assert run.guides == []
    assert run.shown_proxies == ["naswot"]


def test_searches_of_nasbench101_read_its_own_scores_whatever_the_space():
    run = configured()
    names = {name for space, _, name in run.plans if space == "nasbench101"}
    assert names == {*run.config.nasbench101.plans()} == {"rea", "area-naswot"}
    inputs = run.search_inputs("nasbench101", "cifar10", "area-naswot")
    assert inputs["scores"] == [run.scores(run.nasbench101)]
    assert [studies.nasbench101_scores(run, first=False)] == inputs["scores"]
    assert studies.nasbench101_scores(run, first=True) == run.scores(run.nasbench101_first)
    assert studies.nasbench101_searches(run) == [
        f"results/test/search/nasbench101/cifar10/{name}.h5" for name in ("rea", "area-naswot")
    ]


def test_files_of_the_users_own_go_where_they_are_needed(tmp_path, repository):
    search = tmp_path / "my_search.py"
    shutil.copy(repository / "src/trainfree/search/algorithms/random.py", search)
    entries = {"own": {"algorithm": "my_search"}, "random": {"algorithm": "random"}}
    run = configured(search={"extra": [str(search)], "searches": entries, "budgets": [5]})
    assert run.files_of_search(MINI, "cifar10", "own") == [str(search)]
    assert run.files_of_search(MINI, "cifar10", "random") == []
    assert run.files_of_space(MINI) == run.files_of_space("nasbench101") == []


def test_draws_are_named_and_split_by_their_section():
    run = configured(stability={"architectures": 10, "draws": 3, "shard_size": 4})
    name = "b8-pytorch-images-s3-n10-d3"
    assert studies.draws_name(run) == name
    folder = f"results/test/draws/{MINI}/cifar100/{name}"
    files = [f"{folder}/{shard}.h5" for shard in ("0-3", "4-7", "8-9")]
    assert studies.draws_files(run, "cifar100") == files
    assert studies.all_draws_files(run) == [*studies.draws_files(run, "cifar10"), *files]


def test_draws_of_a_data_set_are_its_own_in_a_run_of_another_ones_name():
    run = configured(run="cifar100")
    assert all(f"/{MINI}/cifar10/" in path for path in studies.draws_files(run, "cifar10"))


def test_studies_have_a_file_a_data_set_or_an_architecture():
    run = configured(training={"architectures": 2})
    assert studies.ablation_files(run) == [
        f"results/test/ablation/{MINI}/{dataset}.h5" for dataset in ("cifar10", "cifar100")
    ]
    assert studies.training_files(run) == [
        f"results/test/training/{MINI}/cifar10/shards/{place}.h5" for place in range(2)
    ]
    assert studies.agreement_files(run) == [run.scores(setting) for setting in run.agreement]


def test_forests_learn_what_is_known_of_the_space():
    run = configured(learned={"targets": ["latency", "accuracy"]})
    folder = f"results/test/learned/{MINI}"
    assert studies.learned_files(run) == [
        f"{folder}/{dataset}/{kind}.h5"
        for dataset in ("cifar10", "cifar100")
        for kind in ("latency", "accuracy")
    ]
    given = {
        "scores": run.score_files[1],
        "benchmark": run.benchmark,
        "features": f"{folder}/cifar100/features.h5",
    }
    assert studies.learning_inputs(run, "cifar100", "accuracy") == given
    hardware = {"hardware": f"data/benchmarks/hardware-{MINI}.h5"}
    assert studies.learning_inputs(run, "cifar100", "latency") == given | hardware
    elsewhere = configured(space="nasbench101", datasets=["cifar10"])
    assert studies.learned_files(elsewhere) == [
        "results/test/learned/nasbench101/cifar10/accuracy.h5"
    ]


def test_hardware_is_there_where_somebody_has_looked():
    assert studies.hardware_file(configured(space="nasbench201")) == (
        "data/benchmarks/hardware-nasbench201.h5"
    )
    assert studies.hardware_file(configured(space="nasbench101", datasets=["cifar10"])) is None


def test_the_accuracies_of_nasbench101_come_from_the_first_place_that_is_named(
    tmp_path, monkeypatch
):
    monkeypatch.delenv(MIRROR_VARIABLE, raising=False)
    file, mirror, other = (str(tmp_path / name) for name in ("a.tfrecord", "mirror", "other"))
    below = "nasbench101/nb101_108ep.npz"
    by_mirror = configured(sources={"mirror": mirror})
    assert studies.nasbench101_source(by_mirror) == f"{mirror}/{below}"
    both = configured(sources={"mirror": mirror, "nasbench101": file})
    assert studies.nasbench101_source(both) == file
    with pytest.raises(ConfigError, match=r"expected sources\.nasbench101 .* found neither"):
        studies.nasbench101_source(configured())
    monkeypatch.setenv(MIRROR_VARIABLE, other)
    assert studies.nasbench101_source(by_mirror) == f"{other}/{below}"
    monkeypatch.setenv(MIRROR_VARIABLE, f"{other}/{{x}}")
    with pytest.raises(TrainfreeError, match="expected a path without braces"):
        studies.nasbench101_source(by_mirror)


class Wildcards(dict[str, str]):
    """A job's wildcards as Snakemake gives them: by key and by attribute."""

    __getattr__ = dict.__getitem__


@pytest.mark.parametrize("given", ["values", "functions"])
def test_a_file_of_other_settings_is_asked_for_again(tmp_path, monkeypatch, given):
    """Settings and code are values, or functions of the wildcards."""
    asked_for = []
    monkeypatch.setattr(rerun, "was_made_otherwise", lambda *what: asked_for.append(what) or True)
    forced: set[str] = set()
    workflow = SimpleNamespace(is_main_process=True, dag=SimpleNamespace(forcefiles=forced))
    settings, code = {"seed": 1}, "c0de"
    look = rerun.asked(
        workflow,
        "data/{dataset}.h5",
        settings if given == "values" else lambda wildcards: {"seed": len(wildcards.dataset) - 6},
        code if given == "values" else lambda wildcards: code,
    )
    assert look(Wildcards(dataset="cifar10")) == []
    assert forced == {"data/cifar10.h5"}
    ((_, told_settings, told_code),) = asked_for
    assert (told_settings, told_code) == (settings, code)


def test_scores_are_asked_for_by_the_setting_of_their_place(monkeypatch):
    asked_for = []
    monkeypatch.setattr(rerun, "was_made_otherwise", lambda *what: asked_for.append(what) or False)
    run = configured()
    workflow = SimpleNamespace(is_main_process=True)
    look = rerun.scoring_asked(
        workflow, run.paths.scores, lambda wildcards: run.settings[wildcards.dataset]
    )
    look(Wildcards(space=MINI, dataset="cifar10", setting=run.setting_name))
    ((path, settings, *codes),) = asked_for
    assert str(path) == run.score_files[0]
    assert settings == run.settings["cifar10"].values
    assert codes == [scoring_code_hash(run.settings["cifar10"])]


def test_scores_of_a_gpu_are_as_good_as_those_of_a_processor(monkeypatch):
    asked_for = []
    monkeypatch.setattr(rerun, "was_made_otherwise", lambda *what: asked_for.append(what) or False)
    run = configured()
    setting = run.settings["cifar10"]
    workflow = SimpleNamespace(is_main_process=True)
    look = rerun.scoring_asked(
        workflow, run.paths.scores, lambda wildcards: setting, precision="tf32"
    )
    look(Wildcards(space=MINI, dataset="cifar10", setting=run.setting_name))
    ((_, _, *codes),) = asked_for
    assert codes == [scoring_code_hash(setting), scoring_code_hash(setting, groups="tf32")]
    assert scoring_code_hash(setting, groups="tf32x3") not in codes


def field_of(**values):
    quiet = {"search": {"searches": {}}, "datasets": ["cifar10", "cifar100"]}
    return ConfiguredRun(parse_config({**quiet, "field": {"seeds": [1, 2], **values}}))


def test_a_sampled_field_has_seeds_with_samples_of_their_own_and_what_is_of_all():
    run = field_of(sample=30, inputs={"naswot": "gaussian"}, shard_size=10)
    names = [(setting.dataset, setting.name) for setting in run.field]
    assert names == [
        ("cifar10", "b64-kaiming-images-s1-n30"),
        ("cifar10", "b64-kaiming-images-s2-n30"),
        ("cifar10", "b64-kaiming-images-s1"),
        ("cifar10", "b64-kaiming-images-s1-reachable"),
        ("cifar100", "b64-kaiming-images-s1-n30"),
        ("cifar100", "b64-kaiming-images-s2-n30"),
        ("cifar100", "b64-kaiming-images-s1"),
    ]
    first, second, every, part = run.field[:4]
    assert (first.sample_seed, second.sample_seed) == (1, 2)
    assert (first.inputs, every.inputs) == ((("naswot", "gaussian"),), ())
    assert (every.proxies, part.proxies) == (("flops", "params"),) * 2
    assert [len(run.shards(setting)) for setting in (first, every, part)] == [3, 4, 2]
    assert run.settings_by_place["nasbench201", "cifar10", first.name] == first


def test_a_whole_field_computes_everything_under_each_seed():
    run = field_of(sample=None)
    assert [setting.name for setting in run.field] == [
        *("b64-kaiming-images-s1", "b64-kaiming-images-s2", "b64-kaiming-images-s1-reachable"),
        *("b64-kaiming-images-s1", "b64-kaiming-images-s2"),
    ]
    assert run.field[0].proxies == ("naswot", "synflow", "flops", "params")
    part = field_of(sample=None, subset="reachable")
    names = [setting.name for setting in part.field if setting.dataset == "cifar10"]
    assert names[-1] == "b64-kaiming-images-s1"  # what is of all; the part says itself what it is
    assert len(names) == 3
    assert len(part.settings_by_place) > 5


def test_seeds_of_the_field_disturb_no_other_run():
    scoring = {"batch_size": 64, "initialization": "kaiming"}
    run = ConfiguredRun(parse_config({"seed": 1, "scoring": scoring}))
    own = run.settings["cifar10"]
    assert run.settings_by_place["nasbench201", "cifar10", "b64-kaiming-images-s1"] == own
    with pytest.raises(ConfigError, match=r"change field\.seeds or field\.batch_size"):
        studies.field_files(run)
    assert studies.field_files(field_of())[0].endswith("cifar10/b64-kaiming-images-s1-n100.h5")


def test_a_board_has_scores_of_its_own_or_those_of_the_tables():
    run = configured(board={"proxies": ["naswot", "synflow"], "sample": 20, "seeds": 2})
    places = [(setting.dataset, setting.name) for setting in run.board]
    assert places == [
        ("cifar10", "b8-pytorch-images-s3-n20"),
        ("cifar10", "b8-pytorch-images-s4-n20"),
    ]
    assert {setting.sample_seed for setting in run.board} == {3}, "the same architectures"
    assert studies.board_alone(run) == studies.board_files(run)
    assert [len(run.shards(setting)) for setting in run.board] == [1, 1]
    plain = configured(scoring={"proxies": ["naswot"], "batch_size": 8, "draws": 2})
    assert studies.board_alone(plain) == []
    assert studies.board_files(plain) == [plain.scores(each) for each in plain.draws["cifar10"]]
    whole = configured(board={"proxies": ["synflow"], "sample": 5000})
    assert studies.board_alone(whole) == []  # all 729 of the space: the run's own scores
    assert studies.board_files(whole) == [whole.scores(each) for each in whole.draws["cifar10"]]
    taken = {"sample": 20, "batch_size": 8}
    board = {"proxies": ["synflow"], "sample": 20}
    clash = configured(space="nasbench201", board=board, agreement=taken)
    with pytest.raises(ConfigError, match=r"board: .* change board\.sample"):
        studies.board_files(clash)
