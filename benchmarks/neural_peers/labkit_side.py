"""labkit's TensorNet, trained for a budget of CPU time with its own settings."""

from _clock import frames, options, report, spent

from labkit.datasets import Dataset
from labkit.neural import NeuralConfig, train, untrained

SIZES = {"small": 32, "medium": 64, "large": 96}
TIMED = (10, 40)  # steps of two short trainings, whose difference is the time of a step


def main() -> None:
    given = options()
    data, test = Dataset.from_atoms(frames(given.data, "train")), frames(given.data, "test")
    settings = {"rate": given.rate or 3e-3, "batch": given.batch or 8, "seed": given.seed}
    config = NeuralConfig(channels=SIZES[given.size], seed=given.seed)
    train(untrained(data, config), data, steps=TIMED[0], **settings)  # compiled kernels are read here
    taken = []
    for steps in TIMED:
        began = spent()
        train(untrained(data, config), data, steps=steps, **settings)
        taken.append(spent() - began)
    each = (taken[1] - taken[0]) / (TIMED[1] - TIMED[0])
    steps = max(1, int((given.budget - spent()) / each))
    potential, began = untrained(data, config), spent()
    train(potential, data, steps=steps, **settings)
    seconds, end = spent() - began, spent()
    found = potential.evaluate(Dataset.from_atoms(test).state())
    energies, forces = found.energy.numpy(), found.forces.numpy()
    starts = [sum(len(a) for a in test[:k]) for k in range(len(test))]
    predicted = [(e, forces[s : s + len(a)]) for e, s, a in zip(energies, starts, test, strict=True)]
    report(
        given,
        predicted,
        test,
        code="labkit",
        steps=steps,
        cpu=end,
        frames_per_second=steps * settings["batch"] / seconds,
    )


if __name__ == "__main__":
    main()
