"""Operators that speak of this app's data, one a file; found at start."""
