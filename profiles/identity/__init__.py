"""Who is whom: identifiers, resolved and merged."""
