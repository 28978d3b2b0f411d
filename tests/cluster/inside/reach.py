"""Prints, as JSON, to which addresses in its arguments (`host:port`) connections are made."""

import json
import socket
import sys


def is_reached(address: str) -> bool:
    """Whether a connection is made within seconds."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=3):
            return True
    except OSError:
        return False


if __name__ == "__main__":
    json.dump([address for address in sys.argv[1:] if is_reached(address)], sys.stdout)
