"""The address of a Ray cluster, looked at before Ray tries it for minutes."""

from __future__ import annotations

import os
import socket

from symdiff.errors import ClusterError

REACH = 5.0
"""Seconds a cluster has to answer."""

SETTINGS = b"\0\0\0\4\0\0\0\0\0"
"""An empty frame of HTTP/2: its length, its type 4, no flags, stream 0."""


def refuse_unreachable(address: str) -> None:
    """Say at once what Ray finds out after minutes of trying.

    Raises
    ------
    ClusterError
        It is no address, nothing answers there, or something that is no Ray.
    """
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16 or "://" in host:
        hint = "give HOST:PORT or auto, on a machine that is a node of the cluster (`ray start --address=HOST:PORT`)"
        raise ClusterError(f"--address is {address!r}, which is no address of a Ray cluster", hint)
    hint = f"is the cluster up? `ray status --address={address}` tells"
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=REACH) as line:
            is_ray = os.environ.get("RAY_USE_TLS", "0") != "0" or _speaks_http2(line)
    except OSError as error:
        raise ClusterError(f"nothing answers at {address}: {error}", hint) from error
    if not is_ray:
        raise ClusterError(f"what answers at {address} is no Ray cluster", hint)


def _speaks_http2(line: socket.socket) -> bool:
    """Return whether a server begins as RFC 9113, section 3.4 says, which gRPC and so Ray rest on: with SETTINGS."""
    line.settimeout(4 * REACH)
    line.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SETTINGS)
    return line.recv(9)[3:4] == SETTINGS[3:4]
