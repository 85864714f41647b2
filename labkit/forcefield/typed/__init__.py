"""Force fields with parameters by the types of atoms."""
