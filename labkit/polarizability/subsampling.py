"""Members of a committee: fits to random halves of the frames, with a spread calibrated on frames left out."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from labkit.errors import LabkitError
from labkit.polarizability.committee import TensorCommittee
from labkit.polarizability.model import TensorModel
from labkit.polarizability.rows import FrameSubset, TensorRows


def fit_committee(
    model: TensorModel, rows: TensorRows, noise: Mapping[int, float], members: int, seed: int, owners: Tensor
) -> TensorCommittee:
    """Members around a fitted model, from halves of its frames; `owners` numbers the groups that are kept together."""
    whole = rows.part(torch.tensor(model.metadata["train"]["indices"], device=rows.frame.device))
    halves = _halves(whole.frames, owners, members, seed)
    parts = [rows.fresh(half) for half in halves]
    means = torch.stack([part.mean for part in parts], 1)
    unseen = torch.stack([~torch.isin(rows.frame[whole.rows], half) for half in halves], 1).to(means)  # (rows, M)
    left_out = rows.leave_out(whole, noise, owners)
    weights, calibration = {}, {}
    for degree, posterior in model.posterior.items():
        fits = torch.stack([_embedded(part, whole, degree, noise[degree]) for part in parts], 1)
        k = rows.covariances[degree][whole.rows][:, :, rows.columns(whole)].flatten(2)
        found = k @ fits  # (rows, 2λ+1, M)
        if degree == 0:
            found = found + rows.baseline(whole.rows, means)[:, None]
        alpha = _calibration(found, unseen, *left_out[degree], rows.scale[whole.rows])
        weights[degree] = posterior.weights[:, None] + alpha * (fits - fits.mean(1, keepdim=True))
        calibration[str(degree)] = alpha
    shift = calibration.get("0", 0.0) * (means - means.mean(1, keepdim=True))
    metadata = {**model.metadata, "calibration": calibration, "committee": {"members": members, "seed": seed}}
    return TensorCommittee(model.descriptor, model.points, weights, model.mean[:, None] + shift, metadata)


def _halves(frames: Tensor, owners: Tensor, members: int, seed: int) -> list[Tensor]:
    """`members` random halves of the groups of `frames`, each ascending."""
    owner = owners[frames.cpu()]
    groups = torch.unique(owner)
    if members < 4 or len(groups) < 4:
        raise LabkitError(
            f"a committee of {members} members from {len(groups)} frames or groups of frames: expected at least 4 of "
            "both, so that some members have not seen a frame; give more, or use solve, which has its own spread"
        )
    generator = torch.Generator().manual_seed(seed)
    drawn = [groups[torch.randperm(len(groups), generator=generator)[: len(groups) // 2]] for _ in range(members)]
    return [frames[torch.isin(owner, half).to(frames.device)] for half in drawn]


def _embedded(part: FrameSubset, whole: FrameSubset, degree: int, noise: float) -> Tensor:
    """The weights of a fit to `part` as weights of the points of `whole`: zero for points that are not in `part`."""
    weights = part.spectral[degree].solve(part.labels[degree], noise).weights
    if part.points is whole.points:
        return weights
    out = weights.new_zeros(len(whole.rows), 2 * degree + 1)
    out[torch.isin(whole.rows, part.rows)] = weights.view(-1, 2 * degree + 1)
    return out.flatten()


def _calibration(found: Tensor, unseen: Tensor, labels: Tensor, left_out: Tensor, scale: Tensor) -> float:
    """α by moments, not likelihood: few members leave a frame out, and 1/s² from few members scatters without bound."""
    count = unseen.sum(1)
    enough = count > 1
    mean = (found * unseen[:, None]).sum(2, keepdim=True) / count.clamp(min=1)[:, None, None]
    spread = ((found - mean) * unseen[:, None]).square().sum((1, 2)) / (count - 1).clamp(min=1)
    wrong = (left_out - labels).square().sum(1)
    weight = torch.where(enough, scale**2, 0.0)
    return float(((wrong * weight).sum() / (spread * weight).sum().clamp(min=1e-300)).sqrt())
