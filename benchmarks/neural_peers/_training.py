"""The two trainings of the peers: tuned to end within the budget, and as their documentation recommends, cut short."""

import argparse

import numpy as np
import torch
from _clock import memory, spent

LOOK, UNTIMED = 25, 5  # steps whose time decides how many there are, the first ones excepted


def rate_of(step: int, steps: int, warmup: int = 100, cooling: float = 0.4) -> float:
    """Warm-up, constant, and a straight line to zero over the last part."""
    return min(1.0, (step + 1) / warmup, (steps - step) / max(1.0, cooling * steps))


def orders(count: int, batch: int, seed: int):
    random = np.random.default_rng(seed)
    while True:
        order = random.permutation(count)
        for k in range(0, count - batch + 1, batch):
            yield order[k : k + batch]


def train(given: argparse.Namespace, model, optimiser, loss_of, count: int, *, batch: int, rate: float, clip: float):
    """Train within the budget, and leave the model with its averaged weights; the steps, CPU seconds and throughput.

    loss_of  rows of a batch of the `count` training frames -> their loss

    The first steps are timed; as many follow as the rest of the budget has time for.
    """
    weights = [p for p in model.parameters() if p.requires_grad]
    average = [p.detach().clone() for p in weights]
    order, total = orders(count, batch, given.seed), 10**9

    def step(k: int) -> None:
        for group in optimiser.param_groups:
            group["lr"] = rate * rate_of(k, total)
        one_step(optimiser, weights, loss_of(next(order)), clip)
        torch._foreach_lerp_(average, [p.detach() for p in weights], 1 - min(0.99, (1 + k) / (10 + k)))

    for k in range(UNTIMED):
        step(k)
    began = spent()
    for k in range(UNTIMED, LOOK):
        step(k)
    total = LOOK + max(1, int((given.budget - spent()) / ((spent() - began) / (LOOK - UNTIMED))))
    began = spent()
    for k in range(LOOK, total):
        step(k)
    end = spent()
    restore(weights, average)
    return figures(total, end, (total - LOOK) * batch / (end - began), batch)


def train_as_recommended(
    given: argparse.Namespace, model, optimiser, loss_of, count: int, valid_loss, *, batch: int, rate: float,
    clip: float | None, warmup: int = 0, plateau: dict | None = None, decay: float | None = None,
):  # fmt: skip
    """Train until the CPU time is over: the rate falls where the validation loss no longer does, and the weights with
    the smallest validation loss are kept (the last ones, if the time is over before the first validation).

    valid_loss  () -> loss of the validation frames, after each epoch
    plateau     arguments of ReduceLROnPlateau; None for a constant rate
    decay       of the average of the weights; None for none
    """
    weights = [p for p in model.parameters() if p.requires_grad]
    average = None if decay is None else [p.detach().clone() for p in weights]
    falls = None if plateau is None else torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, **plateau)
    order, steps, busy, best = orders(count, batch, given.seed), 0, 0.0, None
    while spent() < given.budget:
        began = spent()
        for _ in range(count // batch):
            if steps < warmup:
                for group in optimiser.param_groups:
                    group["lr"] = rate * (steps + 1) / warmup
            one_step(optimiser, weights, loss_of(next(order)), clip)
            steps += 1
            if average is not None:
                torch._foreach_lerp_(average, [p.detach() for p in weights], 1 - decay)
            if spent() > given.budget:
                break
        busy += spent() - began
        if spent() > given.budget:
            break
        now = [p.detach().clone() for p in weights]
        if average is not None:
            restore(weights, average)
        loss = float(valid_loss())
        if best is None or loss < best[0]:
            best = loss, [p.detach().clone() for p in weights]
        restore(weights, now)
        if falls is not None and steps >= warmup:
            falls.step(loss)
    end = spent()
    if best is not None or average is not None:
        restore(weights, average if best is None else best[1])
    return figures(steps, end, steps * batch / busy, batch)


def one_step(optimiser, weights: list, loss, clip: float | None) -> None:
    optimiser.zero_grad()
    loss.backward()
    if clip is not None:
        torch.nn.utils.clip_grad_norm_(weights, clip)
    optimiser.step()


def restore(weights: list, values: list) -> None:
    with torch.no_grad():
        for p, w in zip(weights, values):
            p.copy_(w)


def figures(steps: int, cpu: float, throughput: float, batch: int) -> dict:
    return {"steps": steps, "cpu": cpu, "frames_per_second": throughput, "batch": batch, "memory": memory()}


def mean_loss(loss_on, valid: list, batch: int) -> float:
    """The loss of the validation frames, batch by batch."""
    parts = [valid[k : k + batch] for k in range(0, len(valid), batch)]
    return sum(loss_on(part).item() * len(part) for part in parts) / len(valid)
