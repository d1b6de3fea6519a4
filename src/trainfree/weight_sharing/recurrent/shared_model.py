"""A language model of recurrent cells that share their weights, or of one cell alone.

With x the word's embedding and s the last state, node 0 has the gate c = sigmoid(x Wxc + s Wsc)
and the state h = c · f(x Wxh + s Wsh) + (1 - c) · s. A node that is fed by node i has a gate and a
state of the same form, of h_i alone, with weights of the pair of nodes (Pham et al., section 3.1:
highway connections). The mean of the nodes that feed no other goes to the softmax and is handed on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainfree.weight_sharing.recurrent.cell import Cell
from trainfree.weight_sharing.recurrent.settings import NetworkSettings

_FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "identity": lambda values: values,
    "sigmoid": torch.sigmoid,
}


class Passed(NamedTuple):
    """What a pass gives: ``logits`` (steps, batch, vocabulary), the last ``state`` (batch, hidden).

    ``clipped`` is the share of states that were longer than the longest allowed.
    """

    logits: Tensor
    state: Tensor
    clipped: Tensor


class SharedModel(nn.Module):
    """The network.

    Parameters
    ----------
    settings
        Sizes and drop-out rates.
    vocabulary
        Number of words.
    edges
        The pairs of nodes that have weights: all of them, or those of one cell.
    seed
        Of the weights: uniform within ± ``settings.init_range``, the softmax's biases 0.
    """

    def __init__(
        self,
        settings: NetworkSettings,
        vocabulary: int,
        edges: Sequence[tuple[int, int]],
        seed: int,
    ) -> None:
        super().__init__()
        self.settings = settings
        width, hidden = settings.embedding, settings.hidden
        self.words = nn.Parameter(torch.empty(vocabulary, width))
        self.softmax = (
            self.words if settings.tied else nn.Parameter(torch.empty(vocabulary, hidden))
        )
        self.softmax_bias = nn.Parameter(torch.empty(vocabulary))
        self.of_word = nn.Parameter(torch.empty(2 * hidden, width))
        self.of_word_bias = nn.Parameter(torch.empty(2 * hidden))
        self.of_state = nn.Parameter(torch.empty(2 * hidden, hidden))
        self.between = nn.ParameterDict(
            {f"{i}_{j}": nn.Parameter(torch.empty(2 * hidden, hidden)) for i, j in edges}
        )
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for weight in self.parameters():
                weight.uniform_(-settings.init_range, settings.init_range, generator=generator)
            self.softmax_bias.zero_()

    def begin(self, batch: int) -> Tensor:
        """Return the state before the first word, (batch, hidden)."""
        return self.of_state.new_zeros(batch, self.settings.hidden)

    def forward(
        self, words: Tensor, cell: Cell, state: Tensor, generator: torch.Generator | None = None
    ) -> Passed:
        """Read words, (steps, batch), with one cell.

        Parameters
        ----------
        generator
            Of the model's device, for what is dropped out; nothing is without one.
        """
        rates = self.settings
        table: Tensor = self.words
        of_state: Tensor = self.of_state
        if generator is not None:
            table = table * _kept((len(table), 1), rates.dropout_words, table, generator)
            of_state = of_state * _kept(of_state.shape, rates.dropout_weights, table, generator)
        inputs = F.embedding(words, table)
        if generator is not None:
            inputs = inputs * _kept((1, *inputs.shape[1:]), rates.dropout_inputs, table, generator)
        from_words = F.linear(inputs, self.of_word, self.of_word_bias)
        outputs = []
        clipped = state.new_zeros(())
        for step in from_words:
            state = self._mean_of_leaves(step + F.linear(state, of_state), state, cell)
            length = state.norm(dim=1, keepdim=True).detach()
            state = state * (rates.longest_state / length).clamp(max=1.0)
            clipped = clipped + (length > rates.longest_state).float().mean()
            outputs.append(state)
        output = torch.stack(outputs)
        if generator is not None:
            output = output * _kept((1, *output.shape[1:]), rates.dropout_outputs, table, generator)
        logits = F.linear(output, self.softmax, self.softmax_bias)
        return Passed(logits, state, clipped / len(outputs))

    def _mean_of_leaves(self, first: Tensor, state: Tensor, cell: Cell) -> Tensor:
        """Return the output of a cell; ``first`` (batch, 2 hidden) is what node 0 is made of."""
        nodes = [_highway(first, state, cell.activations[0])]
        for node, before in enumerate(cell.previous, 1):
            source = nodes[before]
            mixed = F.linear(source, self.between[f"{before}_{node}"])
            nodes.append(_highway(mixed, source, cell.activations[node]))
        leaves = cell.leaves
        if len(leaves) == 1:
            return nodes[leaves[0]]
        return torch.stack([nodes[leaf] for leaf in leaves]).mean(dim=0)


def _highway(mixed: Tensor, source: Tensor, activation: str) -> Tensor:
    """Return a gated mixture: the first half of ``mixed`` is the gate, the second the new state."""
    gate, new = mixed.chunk(2, dim=1)
    return torch.lerp(source, _FUNCTIONS[activation](new), torch.sigmoid(gate))


def _kept(shape: Sequence[int], rate: float, like: Tensor, generator: torch.Generator) -> Tensor:
    """Return what to multiply with: 0 where something is dropped, else 1 / (1 - rate)."""
    drawn = torch.rand(tuple(shape), generator=generator, device=like.device, dtype=like.dtype)
    return (drawn >= rate).to(like.dtype) / (1.0 - rate)
