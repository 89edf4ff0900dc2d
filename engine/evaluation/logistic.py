"""Logistic regression, of whether fills are exact."""

from __future__ import annotations

from collections.abc import Sequence

RIDGE = 0.1


def fit_calibration(
    features: Sequence[Sequence[float]],
    exact: Sequence[bool],
    prior: Sequence[float] = (),
    ridge: float = RIDGE,
) -> tuple[float, ...]:
    """Weights of a logistic regression of `exact` on `features`; none where there is no answer.

    Newton's method, with a `ridge` around the weights `prior`, 0 without, so that a feature that
    never varies keeps its weight there, and with steps halved while they do not help, so that it
    stays finite whatever it is given.
    """
    import torch

    if not features:
        return ()
    x = torch.tensor(features, dtype=torch.float64)
    y = torch.tensor(exact, dtype=torch.float64)
    center = torch.zeros(x.shape[1], dtype=torch.float64)
    if prior:
        center += torch.tensor(prior, dtype=torch.float64)
    weights = center.clone()
    stiffness = ridge * torch.eye(x.shape[1], dtype=torch.float64)

    def loss(w: torch.Tensor) -> float:
        fit = torch.nn.functional.binary_cross_entropy_with_logits(x @ w, y, reduction="sum")
        return float(fit + 0.5 * (w - center) @ stiffness @ (w - center))

    for _ in range(50):
        p = (x @ weights).sigmoid()
        hessian = (x * (p * (1 - p))[:, None]).T @ x + stiffness
        step = torch.linalg.solve(hessian, x.T @ (p - y) + stiffness @ (weights - center))
        while loss(weights - step) > loss(weights) and float(step.abs().max()) > 1e-9:
            step = step / 2
        weights = weights - step
    return tuple(round(float(w), 4) for w in weights)
