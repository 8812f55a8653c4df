"""A stand-in for AWS on this machine, for tests and rehearsals: no account, no network but loopback."""
