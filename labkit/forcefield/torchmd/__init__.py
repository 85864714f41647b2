"""Force fields in the format of TorchMD."""
