"""Data sets, and the training of one network on one of them."""
