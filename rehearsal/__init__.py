"""The local run: real parts on this machine in place of AWS. An extra; neither library nor service import it."""
