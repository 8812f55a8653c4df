"""The web service: users by e-mail, over HTTP, kept in MemoryDB. `python -m service` runs it."""
