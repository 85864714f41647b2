"""Force fields and states from and to OpenMM."""
