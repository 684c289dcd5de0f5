"""Who: profiles, their identifiers, attributes, events and consents."""
