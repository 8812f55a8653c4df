"""What neutral tools say about the templates, and whether docs/security.md explains all that stands."""
