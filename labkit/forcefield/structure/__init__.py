"""What files say of a structure beside its energy: atoms, bonds, boxes, the order of the atoms."""
