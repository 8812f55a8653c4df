"""What every room that calls AWS shares.

`errors.py` turns what botocore raises into a GeneratorError; `calls.py` has the one wait (`Clock.poll`) and the one
token loop (`pages`). Clients, the sleep and the clock are passed in; nothing here creates one.
"""
