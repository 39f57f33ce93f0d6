"""Benchmarks: run policies on common seeds and compare them."""
