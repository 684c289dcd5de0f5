"""Benchmarks, one file a figure: each beside its floor, so that the ratio counts and not the second."""
