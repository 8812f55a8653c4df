"""What runs on this machine in place of MemoryDB, App Runner and ECS: real servers on the loopback interface.

In: requests of the emulator, such as "start this image with these variables". Out: ports and log lines. `control.py`
takes the requests; `redis_cluster.py` runs clusters; `runners.py` runs the service, as a container or as a process;
`https_proxy.py` gives them AWS's host names, with the certificates of `certificates.py`. `placeholder.py` and
`custom_resource.py` take the place of images and functions that are made elsewhere.
"""
