"""What runs of this app worked on, by name."""

from cdp.subjects import by_key, name_family
from profiles.models import AttributeDefinition, Source

name_family("import", by_key(Source))
name_family("source", by_key(Source))
name_family("attribute", by_key(AttributeDefinition, name="label"))
