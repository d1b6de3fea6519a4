"""Fisher: how much the loss depends on each channel of a layer's output."""

from trainfree.proxies.registry import Candidate, proxy


@proxy(
    "fisher",
    needs=["activations", "weights", "gradients"],
    cite="Turner et al., ICLR 2020; summed over the network by Abdelfattah et al., ICLR 2021",
)
def fisher(candidate: Candidate) -> float:
    """Return Σ over weights of ½ mean_b (Σ_xy a ∂L/∂a)², with a the output channel they feed.

    L is the mean cross-entropy, a the output of a layer with ``Candidate.weights`` (a convolution,
    a linear layer) before normalisation.
    A channel's number is counted once for each of its weights, as the published code does when it
    broadcasts channels to weights. The original takes the activations behind the ReLU.
    −inf where no weight has a gradient.
    """
    gates, weights = candidate.channel_gradients, candidate.weights
    layers = candidate.by_layer(lambda gate: (0.5 * gate.square().mean(dim=0)).sum(), gates)
    total = 0.0
    for (key, gate), layer in zip(gates.items(), layers, strict=True):
        total += layer * (weights[key].numel() // gate.shape[1])
    return total
