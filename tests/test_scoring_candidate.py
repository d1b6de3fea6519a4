"""What stands between proxies and whatever computes for them: needs, sharing, bills."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest
import torch

from trainfree.errors import TrainfreeError
from trainfree.proxies import load_proxy
from trainfree.proxies.registry import NEEDS, Candidate, Proxy, UndefinedScoreError
from trainfree.scoring.backend import Backend, Counts
from trainfree.scoring.candidate import CheckedCandidate
from trainfree.scoring.clock import PhaseClock
from trainfree.scoring.copies import MEMBERS
from trainfree.scoring.jobs.trial import small_candidate

pytestmark = pytest.mark.usefixtures("one_thread")


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
    kernels = {"relu_kernel": np.eye(2), "relu_kernel_official": 2 * np.eye(2)}
    backend = Told(log_synaptic_flow=3.5, **kernels)
    candidate = CheckedCandidate(backend)
    assert candidate.score(load_proxy("synflow"))[0] == 3.5
    assert candidate.score(load_proxy("naswot"))[0] == 0.0
    assert candidate.score(load_proxy("naswot_official"))[0] == pytest.approx(2 * math.log(2))
    assert candidate.score(load_proxy("synflow"))[0] == 3.5
    assert backend.asked == ["log_synaptic_flow", *kernels]  # each once


def test_counts_are_those_of_the_backend():
    candidate = CheckedCandidate(Told(counts=Counts(6, 5, 4, 3, 2)))
    names = ("params", "flops", "relu_units", "parameter_tensors", "classes")
    assert [getattr(candidate, name) for name in names] == [6, 5, 4, 3, 2]
    for name in ("params", "flops", "relu_units"):
        assert candidate.score(load_proxy(name))[0] == getattr(candidate, name)
    with pytest.raises(UndefinedScoreError, match="not a matrix of logits"):
        _ = CheckedCandidate(Told(counts=Counts(6, 5, 4, 3, None))).classes


def test_a_candidate_has_what_the_protocol_says_and_nothing_else():
    own = {name for name in dir(CheckedCandidate) if not name.startswith("_")}
    assert own - {"score", "global_seed"} == MEMBERS
    for name in MEMBERS:
        ours, said = (inspect.getattr_static(kind, name) for kind in (CheckedCandidate, Candidate))
        assert isinstance(ours, property) == isinstance(said, property), name


NEEDED_BY = {
    "weights": ("weights", "biases", "module", "log_flow_reductions", "log_flow_normalised"),
    "random": (
        *("stream", "linear_regions", "log_gaussian_expansion", "block_trainabilities"),
        *("masked_relu_kernel", "masked_unit_patterns", "output_curvature"),
    ),
    "no_batch_norm": ("log_synaptic_flow", "flow_gradients"),
    "activations": (
        *("relu_kernel", "relu_kernel_official", "outputs", "distinct_unit_patterns"),
        *("block_entropies", "smallest_correlation_eigenvalues", "logits", "channel_gradients"),
        *("masked_relu_kernel", "masked_unit_patterns", "first_features", "over_layers"),
        "layer_features",
    ),
    "images": ("images", "linear_regions"),
    "labels": ("labels", "gradient_sign_agreement"),
    "gradients": (
        *("loss_gradients", "half_gradients", "output_gradients"),
        *("gradient_curvature", "weighted_response_kernel", "channel_gradients"),
        "parameter_gradients",
    ),
    "jacobian": ("input_jacobian", "block_trainabilities", "output_curvature"),
    "image_gradients": ("tangent_kernel", "gradient_sign_agreement", "fisher_eigenvalues"),
}


FREE = {
    *("params", "flops", "relu_units", "parameter_tensors", "classes", "network"),
    *("attention_weights", "log_abs_determinant", "by_layer", "arrays"),
}


def test_every_member_and_every_need_is_in_the_list():
    assert NEEDED_BY.keys() == set(NEEDS)
    named = {name for names in NEEDED_BY.values() for name in names}
    assert named == MEMBERS - FREE


@pytest.mark.parametrize("need", NEEDS)
def test_members_ask_for_the_needs_in_their_brackets_and_for_no_others(need):
    candidate = small_candidate(728)
    for name in NEEDED_BY[need]:

        def ask(candidate, name=name):
            found = getattr(candidate, name)
            if name == "stream":
                found("test")
            if name == "over_layers":
                found(lambda layer: None)
            return 1.0

        said = inspect.getdoc(inspect.getattr_static(Candidate, name))
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


def test_gradients_of_a_loss_of_ones_own_need_neither_labels_nor_the_other_loss():
    backend = Told(gradients_of={1: np.ones(2)})
    gradients = CheckedCandidate(backend).loss_gradients
    assert gradients(lambda logits: logits.sum()) is backend.known["gradients_of"]
    assert backend.asked == ["gradients_of"]
    backend.known["loss_gradients"] = {2: np.zeros(3), 5: np.ones(3)}
    assert (len(gradients), list(gradients), gradients[5].sum()) == (2, [2, 5], 3)


def test_inputs_of_any_form_are_handed_out_as_copies_of_the_same_form():
    images = {"tokens": torch.ones(2, 3), "both": (torch.ones(2), [torch.ones(2, 1)])}
    candidate = CheckedCandidate(Told(images=images))

    def spoils(handed: Candidate) -> float:
        found = handed.images
        assert type(found["both"]) is tuple
        assert type(found["both"][1]) is list
        found["tokens"].zero_()
        found["both"][1][0].zero_()
        found.clear()
        return float(handed.images["tokens"].sum() + handed.images["both"][1][0].sum())

    assert candidate.score(Proxy("made", spoils, frozenset({"images"})))[0] == 8
    assert images["tokens"].sum() + images["both"][1][0].sum() == 8


def test_modes_of_a_proxy_are_put_aside_and_those_of_a_backend_work():
    class Counts(torch.overrides.TorchFunctionMode):
        seen = 0

        def __torch_function__(self, function, types, args=(), kwargs=None):
            self.seen += 1
            return function(*args, **(kwargs or {}))

    class Observed(Told):
        def log_synaptic_flow(self):
            with Counts() as inner:
                total = torch.ones(2) + torch.ones(2)
            assert (inner.seen, total.device.type) == (3, "cpu")
            return float(total.sum())

    def with_modes(handed: Candidate) -> float:
        with torch.device("meta"), Counts() as outer:
            found = handed.log_synaptic_flow
            assert outer.seen == 0
            assert torch.ones(2).device.type == "meta"
            assert outer.seen > 0
        return found

    made = Proxy("made", with_modes, frozenset({"no_batch_norm"}))
    assert CheckedCandidate(Observed()).score(made)[0] == 4


def test_needs_are_checked_while_a_proxy_is_at_work_and_not_after_one_that_fails():
    candidate = CheckedCandidate(Told(log_synaptic_flow=1.0))
    with pytest.raises(TrainfreeError, match="asks for 'no_batch_norm' but declares needs: random"):
        candidate.score(Proxy("made", lambda c: c.log_synaptic_flow, frozenset({"random"})))
    assert candidate.log_synaptic_flow == 1.0
