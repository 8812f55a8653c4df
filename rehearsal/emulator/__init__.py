"""ministack, an emulator of AWS, in a process of its own on a loopback port.

In: boto3 calls, and faults to inject. Out: answers as AWS gives them, and a record of every call. `environment.py`
makes the virtual environment that ministack needs, because it pins another botocore; `process.py` starts and stops it;
`extensions/` runs inside it and adds what ministack lacks. `identities.py` creates the IAM users and the role of a
rehearsal; `registry.py` reads and pushes images.
"""
