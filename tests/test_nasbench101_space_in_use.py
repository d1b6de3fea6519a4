"""NAS-Bench-101 in scoring jobs and search algorithms, beside the space that was there first."""

from __future__ import annotations

import numpy as np
import pytest

from trainfree.config import parse_config
from trainfree.errors import ConfigError, UnknownNameError
from trainfree.files.storage import read_dataset
from trainfree.images.prepare import prepare_images
from trainfree.provenance import code_hash
from trainfree.randomness import stream
from trainfree.scoring.jobs.merge import merge_shards
from trainfree.scoring.jobs.shard import score_shard
from trainfree.scoring.settings.setting import Setting, scored_architectures, scoring_code_hash
from trainfree.scoring.status import Status
from trainfree.search import load_algorithm
from trainfree.spaces import load_space, module_of, skeleton_of

SPACE = load_space("nasbench101")
PROXIES = ("naswot", "naswot_official", "synflow", "params", "grad_norm")
SETTING = Setting("nasbench101", "generated", PROXIES, 6, "kaiming", "images", 0, sample=3)


def test_a_sample_is_scored_in_shards_and_merged(tmp_path):
    images = tmp_path / "generated.h5"
    prepare_images("generated", images, order=["generated"], cache=tmp_path, mirror=None, timeout=1)
    shards = [tmp_path / "0-0.h5", tmp_path / "1-2.h5"]
    score_shard(SETTING, 0, 0, images, shards[0], "cpu", threads=1)
    score_shard(SETTING, 1, 2, images, shards[1], "cpu", threads=1)
    merge_shards(shards, SETTING, tmp_path / "merged.h5")
    found = read_dataset(tmp_path / "merged.h5", "scores")
    drawn = scored_architectures(SETTING, len(SPACE)).tolist()
    assert found["arch"].values.tolist() == drawn
    assert found["architecture"].values.tolist() == [SPACE.to_string(arch) for arch in drawn]
    assert (found["status"].values == Status.OK).all()
    assert np.isfinite(found["score"].values).all()
    # No ReLU of this space sits in a module that is named after it.
    scores = {name: found["score"].sel(proxy=name).values for name in PROXIES}
    np.testing.assert_array_equal(scores["naswot"], scores["naswot_official"])
    np.testing.assert_array_equal(scores["params"], found["params"].values)


def test_the_code_of_one_space_is_in_the_hash_of_its_own_scores_only():
    other = Setting("nasbench201_mini", "generated", PROXIES, 6, "kaiming", "images", 0)
    assert scoring_code_hash(SETTING) != scoring_code_hash(other)
    engine = code_hash("trainfree.scoring.jobs.shard")
    assert code_hash("trainfree.scoring.jobs.shard", module_of("nasbench101")) != engine
    assert code_hash("trainfree.scoring.jobs.shard", skeleton_of("nasbench201")) != engine


@pytest.mark.parametrize("name", ["bohb", "reinforce"])
def test_algorithms_over_edges_say_that_they_do_not_apply(name):
    algorithm = load_algorithm(name)
    with pytest.raises(ConfigError, match=f"{name} chooses an operation for each .* nasbench101"):
        algorithm(SPACE, stream(0, "test"), algorithm.settings_type())


@pytest.mark.parametrize("rule", ["published", "one_change"])
def test_evolution_walks_through_the_space(rule):
    algorithm = load_algorithm("rea")
    settings = algorithm.settings_type(population=3, sample=2, mutation=rule)
    search = algorithm(SPACE, stream(0, "test"), settings)
    seen = []
    for _ in range(12):
        seen.append(search.ask())
        search.tell(seen[-1], float(seen[-1]))
    assert all(0 <= index < len(SPACE) for index in seen)
    assert len(set(seen)) > 4


def test_a_rule_of_the_other_space_is_named():
    for space, rule in ((SPACE, "edge"), (load_space("nasbench201"), "published")):
        with pytest.raises(UnknownNameError, match=f"mutation in {space.name}"):
            space.mutate(5, stream(0, "test"), rule)


def test_the_configuration_knows_the_sample():
    setting = parse_config({"nasbench101": {"sample": 7, "batch_size": 16}}).nasbench101_setting()
    assert (setting.space, setting.sample, setting.batch_size) == ("nasbench101", 7, 16)
    assert setting.name == "b16-kaiming-images-s0-n7"
    with pytest.raises(ConfigError, match="naswott"):
        parse_config({"nasbench101": {"proxies": ["naswott"]}})
