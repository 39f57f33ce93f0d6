"""Policies that learn: training, loading and the trained weights that ship with the package."""
