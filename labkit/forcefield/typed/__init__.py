"""Force fields with parameters by atom types."""
