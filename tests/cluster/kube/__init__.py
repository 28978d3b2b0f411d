"""A real Kubernetes of one node on a bare Linux machine, from Debian packages and Go modules.

The node is a machine of its own as far as the kernel allows: it has its own network, mounts,
process ids and host name. What runs on it never meets what runs on the host, and ending its first
process ends all of it. Only the standard library is used, so that it works before anything is
installed.
"""
