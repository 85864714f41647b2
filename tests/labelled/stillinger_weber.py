"""Silicon of Stillinger and Weber, Phys. Rev. B 31, 5262 (1985), written for these tests: energy, forces and stress."""

import numpy as np
import torch
from ase.calculators.calculator import Calculator, all_changes
from ase.neighborlist import neighbor_list
from ase.stress import full_3x3_to_voigt_6_stress

EPSILON, SIGMA, A, B, LAMBDA, GAMMA, REACH = 2.1683, 2.0951, 7.049556277, 0.6022245584, 21.0, 1.2, 1.8


class StillingerWeber(Calculator):
    """E = Σ_pairs ε A (B (σ/r)⁴ - 1) h(1) + Σ_triplets ε λ h(γ) h'(γ) (cos θ + 1/3)², h(c) = exp(c/(r/σ - a))."""

    implemented_properties = ["energy", "forces", "stress"]

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        i, j, shift = neighbor_list("ijS", self.atoms, REACH * SIGMA - 1e-6)
        positions = torch.tensor(self.atoms.positions, requires_grad=True)
        strain = torch.zeros(3, 3, dtype=torch.float64, requires_grad=True)
        vector = positions[j] - positions[i] + torch.tensor(shift @ self.atoms.cell.array)
        vector = vector + vector @ (0.5 * (strain + strain.T))
        r = vector.norm(dim=1)
        well = torch.exp(1 / (r / SIGMA - REACH))
        energy = 0.5 * (EPSILON * A * (B * (SIGMA / r) ** 4 - 1) * well).sum()
        one, other = np.nonzero(np.triu(i[:, None] == i[None, :], 1))
        cosine = (vector[one] * vector[other]).sum(1) / (r[one] * r[other])
        energy = energy + (EPSILON * LAMBDA * (well[one] * well[other]) ** GAMMA * (cosine + 1 / 3) ** 2).sum()
        if energy.requires_grad:
            force, virial = torch.autograd.grad(-energy, (positions, strain), allow_unused=True)
        else:
            force, virial = torch.zeros_like(positions), torch.zeros_like(strain)
        self.results = {"energy": float(energy.detach()), "forces": force.numpy()}
        if self.atoms.pbc.all():
            self.results["stress"] = full_3x3_to_voigt_6_stress(-virial.numpy() / self.atoms.get_volume())
