"""REMAP under `kill -9`: real processes, killed at seeded moments, and what is left afterwards."""
