"""What people can be divided by of what we say of them."""
