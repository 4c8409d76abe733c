"""Certificates for servers on loopback, from an authority nobody else trusts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import trustme


@dataclass(frozen=True)
class Certificates:
    """Files in PEM: an authority, what it issued to the server (127.0.0.1 and localhost), and to a client."""

    ca: Path
    cert: Path
    key: Path
    client_cert: Path
    client_key: Path

    @classmethod
    def write(cls, folder: Path) -> Self:
        """Makes new ones; two calls make two authorities that know nothing of each other."""
        authority = trustme.CA()
        server = authority.issue_cert("127.0.0.1", "localhost", common_name="stem test server")
        client = authority.issue_cert("client@stem.test", common_name="stem test client")
        made = cls(*(folder / f"{name}.pem" for name in ("ca", "cert", "key", "client-cert", "client-key")))
        authority.cert_pem.write_to_path(made.ca)
        for issued, cert, key in ((server, made.cert, made.key), (client, made.client_cert, made.client_key)):
            issued.cert_chain_pems[0].write_to_path(cert)
            issued.private_key_pem.write_to_path(key)
            key.chmod(0o600)
        return made
