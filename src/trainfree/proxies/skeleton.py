"""A first version of a new proxy, with its test: ``trainfree new-proxy NAME``."""

SOURCE = '''"""One line on what {name} looks at."""

from trainfree.proxies.registry import Candidate, proxy


@proxy("{name}", needs=["weights", "gradients"], higher_is_better=True, cite="who, where, when")
def {name}(candidate: Candidate) -> float:
    """Return Σ |w ⊙ ∂L/∂w|; replace this by your formula, with shapes, units and quirks.

    ``Candidate`` in trainfree/proxies/registry.py lists what you may ask for, and the need to
    declare for it. Higher is better, unless higher_is_better says otherwise.
    """
    gradients = candidate.loss_gradients
    return sum(float((candidate.weights[n] * g).abs().sum()) for n, g in gradients.items())
'''
TEST = '''"""What {name} promises."""

from pathlib import Path

import pytest

from trainfree.scoring.jobs.trial import try_proxy

FILE = Path(__file__).with_name("{name}.py")


def test_every_connected_network_gets_a_score():
    trials = try_proxy("{name}", FILE)
    assert [trial.status.name for trial in trials[1:]] == ["OK"] * 4, trials


def test_a_network_without_a_path_is_no_good():
    dead, *others = try_proxy("{name}", FILE)
    assert dead.score < min(trial.score for trial in others)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_same_seed_gives_the_same_score(seed):
    assert try_proxy("{name}", FILE, seed=seed) == try_proxy("{name}", FILE, seed=seed)
'''
