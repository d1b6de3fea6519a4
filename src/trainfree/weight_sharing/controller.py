"""The controller of ENAS: an LSTM that makes one choice after the other, and how it learns.

Pham et al., *Efficient Neural Architecture Search via Parameter Sharing* (ICML 2018), section 2 and
appendix; Zoph and Le, *Neural Architecture Search with Reinforcement Learning* (ICLR 2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from trainfree.weight_sharing.checkpoint import State


class Sample(NamedTuple):
    """What a controller chose, how likely that was, and how undecided it was.

    ``choices`` is (count, steps); ``log_probability`` and ``entropy`` are (count,), sums over the
    steps, in nats.
    """

    choices: Tensor
    log_probability: Tensor
    entropy: Tensor


class Controller(nn.Module):
    """Makes a fixed number of choices, each given those before.

    Parameters
    ----------
    options
        Number of options of each step.
    kinds
        For each step, what is chosen there, a number from 0: steps of one kind share the layer
        that rates the options and the embedding of what was chosen. By default every step is of a
        kind of its own.
    hidden
        Width of the LSTM and of the embeddings.
    temperature, tanh_constant
        Ratings are divided by the first, and kept within ± the second by a tanh; None for neither.
    seed
        Of the weights: uniform within ± 0.1, biases of the ratings 0.

    Raises
    ------
    ValueError
        When steps of one kind differ in their number of options.
    """

    def __init__(
        self,
        options: Sequence[int],
        kinds: Sequence[int] | None = None,
        *,
        hidden: int = 100,
        temperature: float | None = 5.0,
        tanh_constant: float | None = 2.5,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.options = tuple(options)
        self.kinds = tuple(range(len(self.options)) if kinds is None else kinds)
        sizes = dict(zip(self.kinds, self.options, strict=True))
        if [sizes[kind] for kind in self.kinds] != list(self.options):
            raise ValueError(f"steps of one kind differ in options: {self.options}, {self.kinds}")
        self.temperature, self.tanh_constant = temperature, tanh_constant
        self.lstm = nn.LSTMCell(hidden, hidden)
        self.begin = nn.Parameter(torch.empty(1, hidden))
        self.raters = nn.ModuleDict({str(k): nn.Linear(hidden, n) for k, n in sizes.items()})
        self.embeddings = nn.ModuleDict({str(k): nn.Embedding(n, hidden) for k, n in sizes.items()})
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, weight in self.named_parameters():
                is_rating_bias = name.startswith("raters.") and name.endswith(".bias")
                weight.uniform_(-0.1, 0.1, generator=generator)
                weight.mul_(0.0 if is_rating_bias else 1.0)

    def sample(self, count: int, generator: torch.Generator) -> Sample:
        """Choose ``count`` times; the generator is one of the CPU."""
        return self._walk(count, None, generator)

    def rate(self, choices: Tensor) -> Sample:
        """Return how likely given choices are, (count, steps)."""
        return self._walk(len(choices), choices, None)

    def most_likely(self) -> Tensor:
        """Return the choices, (steps,), of which each is the likeliest given those before."""
        with torch.no_grad():
            return self._walk(1, None, None).choices[0]

    def _walk(self, count: int, given: Tensor | None, generator: torch.Generator | None) -> Sample:
        inputs = self.begin.expand(count, -1)
        state: tuple[Tensor, Tensor] | None = None
        choices, log_probabilities, entropies = [], [], []
        for step, kind in enumerate(self.kinds):
            state = self.lstm(inputs, state)
            ratings = self._rated(self.raters[str(kind)](state[0]), step)
            log_p = torch.log_softmax(ratings, dim=1)
            if given is not None:
                chosen = given[:, step].to(log_p.device)
            elif generator is not None:
                drawn = torch.multinomial(log_p.detach().exp().cpu(), 1, generator=generator)
                chosen = drawn[:, 0].to(log_p.device)
            else:
                chosen = log_p.argmax(dim=1)
            choices.append(chosen)
            log_probabilities.append(log_p.gather(1, chosen[:, None])[:, 0])
            entropies.append(-(log_p.exp() * log_p).sum(dim=1))
            inputs = self.embeddings[str(kind)](chosen)
        return Sample(
            torch.stack(choices, dim=1),
            torch.stack(log_probabilities, dim=1).sum(dim=1),
            torch.stack(entropies, dim=1).sum(dim=1),
        )

    def _rated(self, ratings: Tensor, step: int) -> Tensor:
        """Return the ratings of a step's options as they are used; derived classes use ``step``."""
        if self.temperature is not None:
            ratings = ratings / self.temperature
        if self.tanh_constant is not None:
            ratings = self.tanh_constant * torch.tanh(ratings)
        return ratings


class Reinforce:
    """REINFORCE with a moving mean of the rewards as baseline.

    Parameters
    ----------
    controller
        What learns.
    optimizer
        Over its parameters.
    baseline_decay
        Share of the old baseline in the new one.
    entropy_weight
        What a nat of undecidedness adds to the reward.
    clip
        Largest norm of a gradient; None for none.
    """

    def __init__(
        self,
        controller: Controller,
        optimizer: torch.optim.Optimizer,
        *,
        baseline_decay: float = 0.95,
        entropy_weight: float = 1e-4,
        clip: float | None = None,
    ) -> None:
        self.controller, self.optimizer = controller, optimizer
        self.baseline_decay, self.entropy_weight, self.clip = baseline_decay, entropy_weight, clip
        self.baseline: float | None = None

    def update(self, sample: Sample, rewards: Tensor) -> float:
        """Take one step for sampled choices and their rewards, (count,); return the loss.

        The first rewards are the first baseline.
        """
        gained = rewards.to(sample.entropy) + self.entropy_weight * sample.entropy.detach()
        mean = float(gained.mean())
        if self.baseline is None:
            self.baseline = mean
        else:
            self.baseline = self.baseline_decay * self.baseline + (1 - self.baseline_decay) * mean
        loss = -((gained - self.baseline) * sample.log_probability).mean()
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if self.clip is not None:
            nn.utils.clip_grad_norm_(self.controller.parameters(), self.clip)
        self.optimizer.step()
        return float(loss.detach())

    def state_dict(self) -> State:
        """Return all that a next step depends on, the controller's weights too."""
        return {
            "controller": self.controller.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "baseline": self.baseline,
        }

    def load_state_dict(self, state: Any) -> None:
        """Take it back."""
        self.controller.load_state_dict(state["controller"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.baseline = state["baseline"]
