"""The README of data/ethanol, with the state of progress."""

from __future__ import annotations

import os
from pathlib import Path

from tools.ethanol.labels import LEVELS, seconds_per_label, status
from tools.ethanol.sets import ORDER

CHECKED = "check-{}.txt"  # in the folder of a run: what the check of a level printed last
HOW = {
    "train": "20 trajectories at 500 K × 30 frames",
    "valid": "5 other trajectories at 500 K × 30 frames",
    "test": "5 other trajectories at 500 K × 30 frames",
    "hot": "5 trajectories at 800 K × 30 frames",
    "stretched": "the trans minimum of GFN2-xTB with O-H (first 25) or C-C (last 25) from 0.82 to 1.6 times its length",
    "wide": "1/2 hot (800 to 1600 K), 1/4 with O-H or C-C at a random length of 0.82 to 1.6 times that of the minimum, "
    "1/4 with the O-H and CH3 groups turned by random angles",
    "wide_test": "the same mixture from other trajectories",
    "isolated_atoms": "H, C and O in their ground states (doublet, triplet, triplet), one by one",
}
TEXT = """# Ethanol, GFN2-xTB and PBE/def2-SVP

Single molecules of 9 atoms, not periodic. Read them with `labkit.datasets.ethanol("train", n=200, level="pbe")`;
`sha256sum -c SHA256SUMS` checks the files, as labkit does whenever it reads them.

| file | frames | with GFN2 | with PBE | how made |
|---|---|---|---|---|
{table}

{progress}

## Frames

Langevin dynamics by GFN2-xTB (1 fs, friction 0.01/fs), 1 ps of equilibration from one of the three minima (trans and
both gauche forms, in turn); frames 200 fs apart, those of the wide sets 100 fs. Trajectories are numbered through all
sets, and no two sets share one: no frame of one set is a neighbour in time of a frame of another.

GFN2-xTB puts the gauche forms 67 meV below trans (experiment: some 5 meV above), so that most thermal frames are
gauche. The wide sets have all torsions.

The first n frames of a file are a smaller set of the same kind, also while the last ones have no labels yet: each
prefix of train, valid, test and hot is spread over all its trajectories, each prefix of the wide sets is a random
sample of the mixture. No bond is longer than 1.6 times its length at the minimum: beyond that restricted Kohn-Sham is
wrong.

## Format and units

Extended XYZ, xz-compressed. In the comment line `energy_gfn2` and `energy_pbe` [eV, total], `trajectory`, `sample`,
`temperature` [K], `kind` (thermal, stretched or torsion), and of stretched frames `bond` and `ratio` (its length over
that at the minimum); per atom `forces_gfn2` and `forces_pbe` [eV/Å]. The atoms are C (methyl), C, O, H (hydroxyl),
2 H of CH2, 3 H of CH3, in this order. Energies count from nuclei and electrons apart (GFN2: valence electrons), so that
a fit needs the energies of the isolated atoms.

## Labels

- GFN2: {gfn2}; {gfn2_seconds:.2g} s a frame (both times on one core, beside other work).
- PBE: {pbe}; restricted for molecules,
  unrestricted for the isolated atoms; {pbe_seconds:.3g} s a frame.

An SCF that did not converge is no label. Forces of PBE include the response of the integration grid and of the density
fit. Forces against finite differences of the energy (`python -m tools.ethanol check --out FOLDER`):

{checks}

## Continue or repeat

    python -m tools.ethanol run --out FOLDER     # frames, GFN2, then PBE; the same again continues
    python -m tools.ethanol status --out FOLDER  # how much there is, and how long the rest takes
    python -m tools.ethanol pack --out FOLDER    # what has been labelled so far into data/ethanol

Licence: CC-BY-4.0 (https://creativecommons.org/licenses/by/4.0/), the labkit developers.
"""


def readme(folder: str | os.PathLike[str]) -> str:
    """The text for what `folder` holds now."""
    states = [state for state in status(folder) if state.frames is not None and any(state.labels.values())]
    rows = [
        f"| {state.name}.xyz.xz | {state.frames} | {state.labels['gfn2']} | {state.labels['pbe']} | {HOW[state.name]} |"
        for state in states
    ]
    missing = {level: sum(state.frames - state.labels[level] for state in states) for level in LEVELS}
    left = [f"{count} {level.upper()} labels" for level, count in missing.items() if count]
    left += [f"the set {name}" for name in ORDER if name not in {state.name for state in states}]
    progress = "All frames have labels of both levels."
    if left:
        progress = (
            f"In progress, still missing: {', '.join(left)}. The reader leaves out frames without the labels asked for."
        )
    checks = [Path(folder) / CHECKED.format(level) for level in LEVELS]
    return TEXT.format(
        table="\n".join(rows),
        progress=progress,
        checks="\n".join(f"- {path.read_text().strip()}" for path in checks if path.exists()) or "- not yet done",
        **{level: oracle.name for level, oracle in LEVELS.items()},
        **{f"{level}_seconds": seconds_per_label(folder, level) for level in LEVELS},
    )
