"""RMSNorm, as Gemma 4 defines it: x / sqrt(mean(x^2) + eps) * weight, in float32 inside."""

from __future__ import annotations

import torch
from torch import Tensor


def rms_norm_reference(x: Tensor, weight: Tensor | None, eps: float) -> Tensor:
    """Normalise the last dimension of `x`; the result has the dtype of `x`.

    The weight multiplies as it is (not 1 + weight); None leaves it out.
    """
    wide = x.float()
    normed = wide * torch.pow(wide.pow(2).mean(-1, keepdim=True) + eps, -0.5)
    if weight is not None:
        normed = normed * weight.float()
    return normed.to(x.dtype)


rms_norm = rms_norm_reference
