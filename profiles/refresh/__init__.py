"""Refresh: what rules fill follows the data, by change and in full. Knows holders, and no app that has them."""
