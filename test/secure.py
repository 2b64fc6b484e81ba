# SPDX-License-Identifier: Apache-2.0
"""Certificates, and gateways and runtimes that speak TLS, for the tests."""

import pathlib
import re
import ssl
import subprocess

from harness import Conn, ROOT, Server, clean_environment
import harness


class Authority:
    """A CA in a folder of its own, and what it has signed for localhost and 127.0.0.1."""

    def __init__(self, folder, *names):
        self.folder = pathlib.Path(folder)
        self.sign(*names)

    def sign(self, *names):
        """A new certificate of the same CA."""
        names = [word for name in names for word in ("--name", name)]
        done = subprocess.run([harness.HOSTLER, "cert", "init", self.folder, "--force", *names], capture_output=True, text=True,
                              env={**clean_environment(), **harness.SANITIZERS}, timeout=60)
        assert done.returncode == 0, done.stderr

    @property
    def ca(self):
        return self.folder / "ca.pem"

    @property
    def certificate(self):
        return self.folder / "node.pem"

    @property
    def key(self):
        return self.folder / "node.key"

    def pair(self):
        """As settings want it."""
        return {"certificate": str(self.certificate), "key": str(self.key)}

    def client(self, alpn=("http/1.1",), own=None):
        """What a client needs that trusts this CA; `own`: the Authority whose certificate it shows."""
        context = ssl.create_default_context(cafile=self.ca)
        context.set_alpn_protocols(list(alpn))
        if own:
            context.load_cert_chain(own.certificate, own.key)
        return context

    def server(self, alpn=("http/1.1",), clients=None):
        """The same for a server of a test's own; `clients`: the Authority that must have signed theirs."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        context.set_alpn_protocols(list(alpn))
        if clients:
            context.load_verify_locations(clients.ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def secure_listener(authority, **tls):
    """A listener's settings on a port of the kernel's choice."""
    return {"address": "127.0.0.1:0", "tls": {**authority.pair(), **tls}}


def secure_gate(processes, models, authority, tls=None, **settings):
    """A gateway that listens on a plain address, for the tests' questions, and on one with TLS: gate.secure."""
    gate = processes.gate(models, listen=["127.0.0.1:0", secure_listener(authority, **(tls or {}))], **settings)
    gate.secure = int(re.search(r'"msg":"https://[^"]*:(\d+)"', gate.errors()).group(1))
    return gate


def secure_mock(processes, authority, *flags):
    """A mock behind TLS; its own pages are asked in the same way."""
    mock = processes.mock("--tls", f"{authority.certificate},{authority.key}", *flags)
    mock.tls = authority.client()
    return mock


class Secure(Server):
    """What listens at a port with TLS."""

    def __init__(self, port, context):
        self.address, self.tls = port, context


def scripted_tls(processes, context, handler):
    """The https URL of a server of the test's own: handler(TLS socket, socket below it) for each connection."""
    def serve(raw):
        raw.settimeout(harness.PATIENCE)
        with context.wrap_socket(raw.dup(), server_side=True) as conn:
            handler(conn, raw)
    return processes.script(serve).replace("http://", "https://")
