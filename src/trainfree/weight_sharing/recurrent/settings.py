"""What decides a search for recurrent cells, and the training of one."""

from __future__ import annotations

from typing import ClassVar

from pydantic.dataclasses import dataclass

from trainfree.settings import STRICT, Settings
from trainfree.weight_sharing.recurrent.text import TextKind


@dataclass(frozen=True, config=STRICT)
class NetworkSettings(Settings):
    """The network around a cell.

    Attributes
    ----------
    embedding, hidden
        Widths; equal where the softmax has the words' own weights (``tied``).
    tied
        Whether it has.
    dropout_words, dropout_inputs, dropout_weights, dropout_outputs
        Shares that are dropped out while training: whole words, elements of their embeddings,
        weights between states, elements of outputs; the same for all steps of a batch.
    longest_state
        Longer states are shortened to this norm.
    init_range
        Weights begin uniformly within ± this.
    """

    called: ClassVar[str] = "network of a recurrent cell"
    embedding: int = 1000
    hidden: int = 1000
    tied: bool = True
    dropout_words: float = 0.1
    dropout_inputs: float = 0.65
    dropout_weights: float = 0.5
    dropout_outputs: float = 0.4
    longest_state: float = 25.0
    init_range: float = 0.025


@dataclass(frozen=True, config=STRICT)
class DescentSettings(Settings):
    """How weights are trained: plain SGD through time.

    Attributes
    ----------
    batch, steps
        Texts that are read at once, and words after which the gradient is cut.
    learning_rate, decay, decay_after
        The rate, and by what it is multiplied every epoch from epoch ``decay_after`` on, from 0.
    clip
        Largest norm of a gradient.
    weight_decay
        L2.
    """

    called: ClassVar[str] = "training of a recurrent network"
    batch: int = 64
    steps: int = 35
    learning_rate: float = 20.0
    decay: float = 0.96
    decay_after: int = 15
    clip: float = 0.25
    weight_decay: float = 1e-7

    def rate(self, epoch: int) -> float:
        """Return the learning rate of an epoch, from 0."""
        return float(self.learning_rate * self.decay ** max(epoch - self.decay_after + 1, 0))


@dataclass(frozen=True, config=STRICT)
class ControllerSettings(Settings):
    """The controller and how it learns.

    Attributes
    ----------
    hidden, temperature, tanh_constant
        See :class:`~trainfree.weight_sharing.controller.Controller`.
    learning_rate
        Of Adam.
    baseline_decay, entropy_weight
        See :class:`~trainfree.weight_sharing.controller.Reinforce`.
    reward
        A cell is rewarded with this over its perplexity on a batch of the valid text.
    steps
        Updates an epoch, one cell each.
    """

    called: ClassVar[str] = "controller of ENAS"
    hidden: int = 100
    temperature: float = 5.0
    tanh_constant: float = 2.5
    learning_rate: float = 3.5e-4
    baseline_decay: float = 0.95
    entropy_weight: float = 1e-4
    reward: float = 80.0
    steps: int = 2000


@dataclass(frozen=True, config=STRICT)
class RetrainSettings(Settings):
    """How one cell is trained alone, from scratch.

    Attributes
    ----------
    text, most_words, least_count
        See :func:`~trainfree.weight_sharing.recurrent.text.load_text`.
    network, descent
        Of the cell alone.
    epochs
        Passes over the train text.
    seed
        The root seed.
    """

    called: ClassVar[str] = "training of a recurrent cell"
    text: TextKind
    most_words: int
    least_count: int
    network: NetworkSettings
    descent: DescentSettings
    epochs: int
    seed: int


@dataclass(frozen=True, config=STRICT)
class SearchSettings(Settings):
    """A search for a recurrent cell.

    Attributes
    ----------
    text, most_words, least_count
        See :func:`~trainfree.weight_sharing.recurrent.text.load_text`.
    nodes
        Of a cell.
    network, descent, controller
        Of the shared weights, and the controller.
    epochs
        How often weights and controller are trained in turn.
    weight_steps
        Updates of the shared weights an epoch, one cell each; 0 for a pass over the train text.
        An epoch goes on in the text where the last one ended.
    samples
        Cells that are drawn after every epoch and evaluated.
    candidates
        Cells that the controller draws at the end; the best is the derived one.
    randoms
        Cells drawn uniformly, to be trained beside it.
    seed
        The root seed.
    """

    called: ClassVar[str] = "search for a recurrent cell"
    text: TextKind
    most_words: int
    least_count: int
    nodes: int
    network: NetworkSettings
    descent: DescentSettings
    controller: ControllerSettings
    epochs: int
    weight_steps: int
    samples: int
    candidates: int
    randoms: int
    seed: int
