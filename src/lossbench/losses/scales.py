"""How far apart cosines must lie for a softmax of them to be sure."""

import math


def cosine_scale(classes: int) -> float:
    """The scale at which a softmax of cosines can be sure of one of C classes: sqrt(2) log(C - 1), at least 1.

    Args:
        classes: C.

    Reference:
        Zhang et al. 2019, AdaCos: Adaptively Scaling Cosine Logits, arXiv 1905.00292, the fixed scale.
    """
    return max(1.0, math.sqrt(2) * math.log(max(classes - 1, 1)))
