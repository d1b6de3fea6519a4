"""EPE-NAS: correlation of the input Jacobians within each class."""

import numpy as np

from trainfree.proxies.registry import Candidate, UndefinedScoreError, proxy

EPSILON = 1e-5
MANY_CLASSES = 100


@proxy("epe_nas", needs=["jacobian", "labels"], cite="Lopes et al., ICANN 2021")
def epe_nas(candidate: Candidate) -> float:
    """Return Σ over classes |Σ ln(|ρ| + ε)|, ρ the correlations of a class's Jacobians, ε = 1e−5.

    A class with n images of the mini-batch gives n² correlations, 1 with itself included; one with
    a single image gives almost 0. For more than 100 classes in the data set (outputs of the
    network) each class is divided by n and the differences between classes are summed and divided
    by the number of classes. The score depends strongly on how many images of each class the batch
    has. A batch of one class cannot be ranked; −inf where the output does not depend on the input.
    """
    labels, jacobian = candidate.labels, candidate.input_jacobian
    if len(set(labels.tolist())) < 2:
        raise UndefinedScoreError("all images of the mini-batch are of one class")
    classes = candidate.classes
    sums = []
    for label in np.unique(labels):
        correlation = np.atleast_2d(np.corrcoef(jacobian[labels == label]))
        total = np.sum(np.log(np.abs(correlation) + EPSILON))
        sums.append(total / len(correlation) if classes > MANY_CLASSES else total)
    scores = np.array(sums)
    if classes > MANY_CLASSES:
        return float(np.abs(scores[:, None] - scores[None, :]).sum() / len(scores))
    return float(np.abs(scores).sum())
