"""Logistic regression, of whether fills are exact."""

from __future__ import annotations

from collections.abc import Sequence


def fit_calibration(
    features: Sequence[Sequence[float]], exact: Sequence[bool]
) -> tuple[float, ...]:
    """Weights of a logistic regression of `exact` on `features`; none where there is no answer.

    Newton's method, with a little ridge, so that a feature that never varies gets no weight, and
    with steps halved while they do not help, so that it stays finite whatever it is given.
    """
    import torch

    if not features:
        return ()
    x = torch.tensor(features, dtype=torch.float64)
    y = torch.tensor(exact, dtype=torch.float64)
    weights = torch.zeros(x.shape[1], dtype=torch.float64)
    ridge = 0.1 * torch.eye(x.shape[1], dtype=torch.float64)

    def loss(w: torch.Tensor) -> float:
        fit = torch.nn.functional.binary_cross_entropy_with_logits(x @ w, y, reduction="sum")
        return float(fit + 0.5 * w @ ridge @ w)

    for _ in range(50):
        p = (x @ weights).sigmoid()
        hessian = (x * (p * (1 - p))[:, None]).T @ x + ridge
        step = torch.linalg.solve(hessian, x.T @ (p - y) + ridge @ weights)
        while loss(weights - step) > loss(weights) and float(step.abs().max()) > 1e-9:
            step = step / 2
        weights = weights - step
    return tuple(round(float(w), 4) for w in weights)
