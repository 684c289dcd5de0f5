"""Reading and managing over HTTP: profiles, sources, definitions."""
