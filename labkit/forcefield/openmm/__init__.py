"""Force fields and states from OpenMM and to it."""
