"""Networks: features of atoms from their surroundings, and what they are built from."""
