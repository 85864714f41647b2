"""The shipped frames of ethanol: dynamics by GFN2-xTB, labels by GFN2-xTB and PBE, and their packing."""
