"""What stands between proxies and whatever computes for them: needs, sharing, bills."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest

from trainfree.errors import TrainfreeError
from trainfree.proxies import load_proxy
from trainfree.proxies.registry import NEEDS, Candidate, Proxy, UndefinedScoreError
from trainfree.scoring.backend import Backend
from trainfree.scoring.candidate import CheckedCandidate
from trainfree.scoring.clock import PhaseClock
from trainfree.scoring.copies import MEMBERS
from trainfree.scoring.jobs.trial import small_candidate
from trainfree.scoring.quantities.relu_kernel import ReluKernels


class Told(Backend):
    """Another way to compute: it knows a few quantities, and counts how often it is asked."""

    def __init__(self, **known: object) -> None:
        super().__init__(PhaseClock())
        self.known, self.asked = known, []

    def _told(self, name: str):
        self.asked.append(name)
        return self.known[name]


def _as_told(name: str):
    member = lambda self, *_: self._told(name)  # noqa: E731
    return property(member) if isinstance(vars(Backend)[name], property) else member


for abstract in Backend.__abstractmethods__:
    setattr(Told, abstract, _as_told(abstract))
Told.__abstractmethods__ = frozenset()


def test_proxies_take_what_any_backend_gives():
    backend = Told(log_synaptic_flow=3.5, relu_kernels=ReluKernels(np.eye(2), 2 * np.eye(2)))
    candidate = CheckedCandidate(backend)
    assert candidate.score(load_proxy("synflow"))[0] == 3.5
    assert candidate.score(load_proxy("naswot"))[0] == 0.0
    assert candidate.score(load_proxy("naswot_official"))[0] == pytest.approx(2 * math.log(2))
    assert candidate.score(load_proxy("synflow"))[0] == 3.5
    assert backend.asked == ["log_synaptic_flow", "relu_kernels"]  # each once


def test_a_candidate_has_what_the_protocol_says_and_nothing_else():
    own = {name for name in vars(CheckedCandidate) if not name.startswith("_")}
    assert own - {"score", "global_seed"} == MEMBERS
    for name in MEMBERS:
        ours, said = vars(CheckedCandidate)[name], vars(Candidate)[name]
        assert isinstance(ours, property) == isinstance(said, property), name


NEEDED_BY = {
    "weights": ("weights", "log_flow_reductions", "log_flow_normalised"),
    "random": ("stream", "linear_regions", "log_gaussian_expansion", "block_trainabilities"),
    "no_batch_norm": ("log_synaptic_flow",),
    "activations": (
        *("relu_kernel", "relu_kernel_official", "outputs", "distinct_unit_patterns"),
        *("block_entropies", "smallest_correlation_eigenvalues"),
    ),
    "labels": ("labels", "gradient_sign_agreement"),
    "gradients": (
        *("loss_gradients", "half_gradients", "output_gradients"),
        *("gradient_curvature", "weighted_response_kernel"),
    ),
    "jacobian": ("input_jacobian", "block_trainabilities"),
    "image_gradients": ("tangent_kernel", "gradient_sign_agreement", "fisher_eigenvalues"),
}


def test_every_member_and_every_need_is_in_the_list():
    assert NEEDED_BY.keys() == set(NEEDS)
    named = {name for names in NEEDED_BY.values() for name in names}
    assert named == MEMBERS - {"network", "log_abs_determinant"}


@pytest.mark.parametrize("need", NEEDS)
def test_members_ask_for_the_needs_in_their_brackets_and_for_no_others(need):
    candidate = small_candidate(728)
    for name in NEEDED_BY[need]:

        def ask(candidate, name=name):
            found = getattr(candidate, name)
            if name == "stream":
                found("test")
            return 1.0

        said = inspect.getdoc(vars(Candidate)[name])
        assert need in said[said.index("[") : said.index("]")], name
        without = Proxy("made", ask, frozenset(NEEDS) - {need})
        with pytest.raises(TrainfreeError, match=f"asks for '{need}'"):
            candidate.score(without)
        needed = frozenset(each for each, names in NEEDED_BY.items() if name in names)
        assert candidate.score(Proxy("made", ask, needed))[0] == 1.0


def test_what_a_backend_lacks_has_no_score():
    candidate = CheckedCandidate(Told(gradient_sign_agreement=0.0))
    with pytest.raises(UndefinedScoreError, match="no weight has a gradient") as raised:
        _ = candidate.gradient_sign_agreement
    assert raised.value.score == -math.inf
    with pytest.raises(UndefinedScoreError, match="has no labels"):
        _ = candidate.labels
    with pytest.raises(UndefinedScoreError, match="no random numbers of its own"):
        candidate.stream("x")
    assert candidate.global_seed("x") == 0
    assert small_candidate(728).global_seed("x") != small_candidate(728).global_seed("y")


def test_needs_are_checked_while_a_proxy_is_at_work_and_not_after_one_that_fails():
    candidate = CheckedCandidate(Told(log_synaptic_flow=1.0))
    with pytest.raises(TrainfreeError, match="asks for 'no_batch_norm' but declares needs: random"):
        candidate.score(Proxy("made", lambda c: c.log_synaptic_flow, frozenset({"random"})))
    assert candidate.log_synaptic_flow == 1.0
