"""What people can be divided by of where they belong."""
