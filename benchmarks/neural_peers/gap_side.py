"""labkit's GAP: SOAP with as many sparse points as `--size` says; its CPU time is what the fit took.

The noise of energies and forces is chosen by the validation frames among six pairs, in solutions of one design.
"""

from _clock import frames, memory, options, report, spent
from labkit_side import dynamics, predictions

from labkit.datasets import Dataset
from labkit.gap import Design, GapConfig, Soap

#: sparse points of each species, n_max, l_max, cutoff in Å
SIZES = {
    "tiny": (50, 3, 2, 3.0),
    "small": (200, 8, 6, 4.0),
    "medium": (500, 8, 6, 4.0),
    "large": (1200, 8, 6, 5.0),
    "huge": (2500, 8, 6, 5.0),
}
SIGMAS = [(energy, force) for energy in (3e-4, 3e-3) for force in (0.003, 0.01, 0.03)]  # eV/sqrt(atom), eV/Å


def main() -> None:
    given = options()
    known, valid = (Dataset.from_atoms(frames(given.data, name)) for name in ("train", "valid"))
    points, n_max, l_max, cutoff = SIZES[given.size]
    soap = Soap(cutoff=cutoff, n_max=n_max, l_max=l_max, zeta=4, n_sparse=points)
    design = Design.build(known, GapConfig(soap, sigma_virial=None, seed=given.seed + 1), valid=valid)
    found = {}
    for energy, force in SIGMAS:
        model = design.solve(sigma_energy=energy, sigma_force=force)
        table = design.errors(model).xs("forces", level="quantity")
        found[energy, force] = float(table.loc["valid", "mae"])
    best = min(found, key=found.get)
    model = design.solve(sigma_energy=best[0], sigma_force=best[1])
    end, most = spent(), memory()
    test = frames(given.data, "test")
    figures = {"steps": 0, "cpu": end, "frames_per_second": len(known) / end, "memory": most, "sigmas": best}
    report(given, predictions(model, test), test, **figures, **dynamics(given, model, test))


if __name__ == "__main__":
    main()
