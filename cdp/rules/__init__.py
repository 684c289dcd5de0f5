"""The rule language: JSON in, `Q` out. It knows no model; the apps bring the operators."""
