"""What ministack lacks of the AWS that our templates and our command meet. Loaded inside its process.

Each filler states the fact of AWS that it imitates, and where AWS says so.
"""
