"""What campaigns do: one verb a file."""
