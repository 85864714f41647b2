"""What only the maintainers run: making, checking and packing the shipped data. Not part of the installed package."""
