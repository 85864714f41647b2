"""Terms of the energy: each alone may run, be put in a batch, and be differentiated."""
