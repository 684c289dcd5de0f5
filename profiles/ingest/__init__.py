"""From the door to the tables: accept, parse, process."""
