"""What a proxy may do and what becomes of it: statuses, needs, signs, sharing, files of others."""

from __future__ import annotations

import importlib.metadata
import math
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from trainfree.cli import main
from trainfree.config import parse_config
from trainfree.errors import ConfigError, TrainfreeError, UnknownNameError
from trainfree.files.storage import read_dataset
from trainfree.images.prepare import prepare_images
from trainfree.outside import extensions
from trainfree.outside.extensions import declared_names, file_hash, hashed, load_files
from trainfree.proxies import PROXY_NAMES, load_proxy, proxy_names
from trainfree.proxies.extra import PROXY as PROXIES
from trainfree.proxies.registry import NEEDS, Proxy, UndefinedScoreError, proxy
from trainfree.scoring.candidate import CheckedCandidate
from trainfree.scoring.jobs.merge import merge_shards
from trainfree.scoring.jobs.shard import attempt, score_shard
from trainfree.scoring.jobs.trial import small_candidate, try_proxy
from trainfree.scoring.settings.setting import Setting, scored_architectures, scoring_code_hash
from trainfree.scoring.status import Status

pytestmark = pytest.mark.usefixtures("one_thread")

DEAD, ALIVE = 0, 728
ATTENTIVE = {"dss"}
"""Proxies of networks with attention alone."""
# What they read is there without a path from input to output, though they ask for
# more than the network.
OF_ANY_NETWORK = {"az_trainability", "l2_norm", "linear_regions", "meco", "random", "swap"}
OF_ANY_NETWORK |= {"near", "meco_opt", "swap_ncd", "swap_regularised"}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    path = tmp_path_factory.mktemp("images") / "generated.h5"
    prepare_images(
        "generated", path, order=["generated"], cache=path.parent, mirror=None, timeout=1.0
    )
    return path


@pytest.mark.parametrize("name", PROXY_NAMES)
def test_every_proxy_has_a_value_and_declares_all_it_asks_for(name):
    _, status, message, seconds = attempt(small_candidate(ALIVE), load_proxy(name), ALIVE)
    if name in ATTENTIVE:
        assert status == Status.UNDEFINED
        assert "has no attention" in message
        return
    assert (status, message) == (Status.OK, "")
    assert seconds > 0


@pytest.mark.parametrize("name", PROXY_NAMES)
def test_a_network_without_a_path_never_gets_a_silent_number(name):
    proxy = load_proxy(name)
    score, status, message, _ = attempt(small_candidate(DEAD), proxy, DEAD)
    if name in OF_ANY_NETWORK or not proxy.needs:
        assert status == Status.OK, message
    elif name in ATTENTIVE:
        assert status == Status.UNDEFINED
    else:
        assert (score, status) == (-math.inf, Status.SINGULAR), message


@pytest.fixture(scope="module", params=[1, -1], ids=["first to last", "last to first"])
def scored_together(request):
    """One candidate asked for all proxies, in either order."""
    candidate = small_candidate(ALIVE)
    names = [name for name in PROXY_NAMES[:: request.param] if name not in ATTENTIVE]
    return {name: candidate.score(load_proxy(name))[0] for name in names}


@pytest.mark.parametrize("name", sorted(set(PROXY_NAMES) - ATTENTIVE))
def test_scores_repeat_bit_by_bit_whatever_was_asked_before(name, scored_together):
    assert small_candidate(ALIVE).score(load_proxy(name))[0] == scored_together[name]


def test_needs_say_which_proxies_do_without_data():
    without_data = {"weights", "random", "no_batch_norm"}
    free = {name for name in PROXY_NAMES if load_proxy(name).needs <= without_data}
    assert {"synflow", "params", "zen", "l2_norm", "random"} <= free
    assert not free & {"naswot", "snip", "jacob_cov", "ntk_condition", "swap", "gradsign"}
    images = small_candidate(ALIVE, batch_size=8)
    other_images = small_candidate(ALIVE, batch_size=8)
    other_images._backend.batch = other_images._backend.batch.flip(3) * 0.5 + 1
    for name in sorted(free - ATTENTIVE):
        assert images.score(load_proxy(name))[0] == other_images.score(load_proxy(name))[0], name


def test_lower_is_better_is_stored_with_its_sign_turned():
    made = load_proxy("ntk_condition")
    assert not made.higher_is_better
    candidate = small_candidate(ALIVE)
    value = made.function(candidate)
    assert value > 1
    assert candidate.score(made)[0] == -value
    assert attempt(candidate, replace(made, function=lambda c: math.inf), 0)[:2] == (
        -math.inf,
        Status.SINGULAR,
    )
    assert [name for name in PROXY_NAMES if not load_proxy(name).higher_is_better] == [
        "ntk_condition"
    ]


SHAPE = r"ndarray of shape \(2, 3\), expected one float"
WRONG = [
    (lambda c: np.ones((2, 3)), math.nan, Status.ERROR, SHAPE),
    (
        lambda c: c.loss_gradients[1].sum(),
        math.nan,
        Status.ERROR,
        r"Tensor of shape \(\)",
    ),
    (lambda c: True, math.nan, Status.ERROR, "returned bool"),
    (lambda c: math.inf, math.nan, Status.OVERFLOW, r"returned \+inf"),
    (lambda c: -math.inf, -math.inf, Status.SINGULAR, "^$"),
    (lambda c: math.nan, math.nan, Status.NOT_FINITE, "returned NaN"),
    (
        lambda c: (_ for _ in ()).throw(UndefinedScoreError("no such thing")),
        *(math.nan, Status.UNDEFINED, "no such thing"),
    ),
]


@pytest.mark.parametrize(("function", "expected", "status", "words"), WRONG)
def test_what_is_no_finite_number_has_a_status(function, expected, status, words):
    made = Proxy("made", function, frozenset(NEEDS))
    score, found, message, _ = attempt(small_candidate(ALIVE), made, ALIVE)
    assert found == status
    assert score == pytest.approx(expected, nan_ok=True)
    assert re.search(words, message)


def test_undeclared_needs_are_refused_by_name():
    made = Proxy("curious", lambda c: c.gradient_curvature, frozenset({"weights"}))
    _, status, message, _ = attempt(small_candidate(ALIVE), made, ALIVE)
    assert status == Status.ERROR
    assert "'curious' asks for 'gradients' but declares needs: weights" in message
    with pytest.raises(UnknownNameError, match="did you mean 'gradients'"):
        proxy("made", needs=["gradient"], cite="test")  # type: ignore[list-item]


def test_a_batch_of_one_class_or_one_image_has_a_status():
    candidate = small_candidate(ALIVE)
    candidate._backend._given_labels = candidate._backend.labels * 0
    score, status, message, _ = attempt(candidate, load_proxy("epe_nas"), ALIVE)
    assert (np.isnan(score), status) == (True, Status.UNDEFINED)
    assert "one class" in message
    single = small_candidate(ALIVE, batch_size=1)
    judged = {name: attempt(single, load_proxy(name), ALIVE)[:3] for name in PROXY_NAMES}
    failed = {name: message for name, (_, status, message) in judged.items() if status}
    assert failed.keys() == {"epe_nas", "jacob_cov", "lswag", "zico", "zico_bc", *ATTENTIVE}
    assert all(np.isnan(judged[name][0]) for name in failed)
    assert "one class" in failed["epe_nas"]
    assert "one image" in failed["zico"]


# They read maps as they are, where an overflowing variance leaves zeros behind normalisation.
SEE_NO_OVERFLOW = {
    *("dextr", "meco", "meco_opt", "naswot", "naswot_normalised", "naswot_official", "near"),
    *("swap", "swap_ncd", "swap_regularised"),
}


def test_weights_that_overflow_single_precision_give_no_silent_number():
    """A score is one that double precision confirms, where sizes alone do not hide the overflow."""
    single, double = (huge_weights(dtype) for dtype in (torch.float32, torch.float64))
    confirmed = set()
    for name in sorted(set(PROXY_NAMES) - SEE_NO_OVERFLOW):
        score, status, _, _ = attempt(single, load_proxy(name), ALIVE)
        if status == Status.OK:
            truth = attempt(double, load_proxy(name), ALIVE)[0]
            assert score == pytest.approx(truth, rel=1e-5), name
            confirmed.add(name)
    assert {"params", "synflow", "zen"} <= confirmed
    assert not confirmed & {"snip", "grad_norm", "jacob_cov", "l2_norm", "vkdnw", "ntk_condition"}


def huge_weights(dtype: torch.dtype) -> CheckedCandidate:
    """A candidate with weights whose variances are beyond single precision."""
    candidate = small_candidate(ALIVE, dtype=dtype)
    draw = candidate._backend._draw

    def huge(network):
        drawn = draw(network)
        return replace(drawn, weight={n: w * np.float32(1e30) for n, w in drawn.weight.items()})

    candidate._backend._draw = huge
    return candidate


def test_all_proxies_together_cost_less_than_apart():
    """Counted in passes, not seconds: each shared result is computed once."""
    candidate = small_candidate(ALIVE)
    for name in sorted(set(PROXY_NAMES) - ATTENTIVE):
        candidate.score(load_proxy(name))
    results = candidate._backend.results
    users = [
        sum(shared in results._rests_on[other] for other in results._values)
        for shared in ("forward", "loss gradients", "weights", "network")
    ]
    assert all(count >= 3 for count in users), users


PROXY = '''
from trainfree.proxies.registry import Candidate, proxy

@proxy("{name}", needs=[], cite="test")
def {name}(candidate: Candidate) -> float:
    """Return a number."""
    return {value}
'''


def test_a_file_named_in_the_config_is_scored(images, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(PROXY.format(name="extra_one", value="2.0 * candidate.network.params"))
    config = parse_config(
        {
            "proxies": {"extra": [str(path)]},
            "scoring": {"proxies": ["params", "extra_one"]},
            "search": {"searches": {"mine": {"algorithm": "random", "signal": "extra_one"}}},
        }
    )
    setting = Setting(
        "nasbench201_mini", "generated", ("params", "extra_one"), 8, "pytorch", "images", 0,
        extra=hashed(config.proxies.extra),
    )  # fmt: skip
    assert Setting.from_json(setting.json) == setting
    score_shard(setting, 3, 4, images, tmp_path / "a.h5", "cpu", threads=1)
    data = read_dataset(tmp_path / "a.h5", "scores")
    np.testing.assert_array_equal(
        data["score"].sel(proxy="extra_one"), 2 * data["score"].sel(proxy="params")
    )
    before = setting.hash
    path.write_text(path.read_text() + "\n# a comment\n")
    assert replace(setting, extra=((str(path), file_hash(path)),)).hash == before
    path.write_text(PROXY.format(name="extra_one", value="3.0"))
    assert replace(setting, extra=((str(path), file_hash(path)),)).hash != before


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "no such file"),
        ("def broken(:\n", "is not Python"),
        ("x = 1\n", r'expected a function with @proxy\("name"'),
        (PROXY.format(name="naswot", value="1.0"), "'naswot' of .* is already defined"),
    ],
)
def test_files_that_are_no_proxies_are_named_before_anything_runs(tmp_path, text, words):
    path = tmp_path / "mine.py"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        parse_config({"proxies": {"extra": [str(path)]}})


def test_a_file_that_fails_when_executed_is_named(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("import no_such_module_anywhere\n" + PROXY.format(name="late", value="1.0"))
    assert declared_names(PROXIES, path) == ["late"]
    with pytest.raises(ConfigError, match=r"mine\.py: ModuleNotFoundError"):
        load_files([path])


def test_installed_packages_offer_proxies(tmp_path, monkeypatch):
    (tmp_path / "offered_pkg.py").write_text(PROXY.format(name="offered", value="4.0"))
    monkeypatch.syspath_prepend(str(tmp_path))
    point = importlib.metadata.EntryPoint("offered", "offered_pkg", "trainfree.proxies")
    monkeypatch.setattr(extensions, "installed", lambda kind: [point])
    assert "offered" in proxy_names()
    assert try_proxy("offered")[0].score == 4.0
    alone = Setting("nasbench201_mini", "generated", ("params",), 8, "pytorch", "images", 0)
    both = replace(alone, proxies=("params", "offered"))
    assert scoring_code_hash(both) != scoring_code_hash(alone)


def test_new_proxy_writes_what_works(tmp_path, capsys):
    assert main(["new-proxy", "fresh_idea", "--folder", str(tmp_path)]) == 0
    path = tmp_path / "fresh_idea.py"
    assert str(path) in capsys.readouterr().out
    trials = try_proxy("fresh_idea", path)
    assert [trial.status for trial in trials] == [Status.SINGULAR] + [Status.OK] * 4
    assert [t.score for t in trials] == [t.score for t in try_proxy("snip")]
    namespace: dict = {"__file__": str(tmp_path / "test_fresh_idea.py"), "__name__": "t"}
    exec(compile((tmp_path / "test_fresh_idea.py").read_text(), "t", "exec"), namespace)
    namespace["test_every_connected_network_gets_a_score"]()
    namespace["test_a_network_without_a_path_is_no_good"]()
    namespace["test_the_same_seed_gives_the_same_score"](0)
    assert main(["new-proxy", "fresh_idea", "--folder", str(tmp_path)]) == 2
    for bad in ("Fresh", "2nd", "class", "a-b"):
        assert main(["new-proxy", bad, "--folder", str(tmp_path)]) == 2
        assert "expected a name of lower-case letters" in capsys.readouterr().err


SAMPLED = Setting(
    "nasbench201_mini", "generated", ("params",), 8, "pytorch", "images", 0, sample=20
)


def test_a_sample_is_seeded_nested_and_the_same_for_other_scoring_seeds():
    chosen = scored_architectures(SAMPLED, 729)
    assert len(set(chosen.tolist())) == 20
    assert (np.diff(chosen) > 0).all()
    np.testing.assert_array_equal(chosen, scored_architectures(replace(SAMPLED, seed=5), 729))
    assert set(chosen) < set(scored_architectures(replace(SAMPLED, sample=50), 729))
    other = scored_architectures(replace(SAMPLED, sample_seed=1), 729)
    assert set(chosen) != set(other)
    assert SAMPLED.name == "b8-pytorch-images-s0-n20"
    with pytest.raises(ConfigError, match="more than nasbench201_mini has"):
        scored_architectures(replace(SAMPLED, sample=730), 729)


def test_a_sample_is_scored_and_merged(images, tmp_path):
    shards = []
    for first, last in ((0, 9), (10, 19)):
        shards.append(tmp_path / f"{first}.h5")
        score_shard(SAMPLED, first, last, images, shards[-1], "cpu", threads=1)
    merge_shards(shards, SAMPLED, tmp_path / "all.h5")
    merged = read_dataset(tmp_path / "all.h5", "scores")
    np.testing.assert_array_equal(merged["arch"], scored_architectures(SAMPLED, 729))
    with pytest.raises(TrainfreeError, match="10 architectures are missing"):
        merge_shards(shards[:1], SAMPLED, tmp_path / "half.h5")
