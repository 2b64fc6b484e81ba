# SPDX-License-Identifier: Apache-2.0
"""hostler cert, and certificates in `hostler check`; the openssl program judges what we make, and makes what we judge."""

import json
import re
import socket
import stat
import subprocess

import pytest
import yaml

from harness import config_of, model_of, run_cli


def openssl(*argv, cwd=None):
    done = subprocess.run(["openssl", *map(str, argv)], cwd=cwd, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, (argv, done.stderr)
    return done.stdout


def ok(*argv, **options):
    done = run_cli("cert", *argv, **options)
    assert done.returncode == 0, (argv, done.stdout, done.stderr)
    assert not done.stderr
    return done.stdout


def init(folder, *argv):
    ok("init", folder, *argv)
    return folder


def faults(*argv):
    done = run_cli("cert", "check", *argv)
    assert done.returncode == 1 and not done.stderr, (done.stdout, done.stderr)
    return done.stdout.splitlines()


def shown(*paths):
    return json.loads(ok("show", *paths, "--json"))


def self_signed(folder, name, *options, days=365):
    """A certificate that openssl makes and signs by itself: NAME.pem and NAME.key."""
    openssl("req", "-x509", "-nodes", "-newkey", "rsa:2048", "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem",
            "-days", days, "-subj", f"/CN={name}", *options)
    return folder / f"{name}.pem"


def expired(folder, name):
    """One that openssl's own little CA has signed for a day long ago."""
    self_signed(folder, name)
    openssl("req", "-new", "-key", folder / f"{name}.key", "-out", folder / "x.csr", "-subj", f"/CN={name}")
    (folder / "index.txt").write_text("")
    (folder / "ca.cnf").write_text(
        "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nnew_certs_dir=.\ndefault_md=sha256\npolicy=p\nrand_serial=yes\n[p]\nCN=optional\n"
        "commonName=optional\n")
    openssl("ca", "-batch", "-config", "ca.cnf", "-selfsign", "-keyfile", f"{name}.key", "-in", "x.csr", "-out", f"{name}.pem",
            "-notext", "-startdate", "20200101000000Z", "-enddate", "20200102000000Z", cwd=folder)
    return folder / f"{name}.pem"


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    return init(tmp_path_factory.mktemp("cert") / "tls", "--name", "llm.example.org", "--name", "10.0.0.7",
                "--name", "spiffe://example.org/node")


# --- init ---

def test_init_makes_what_openssl_verifies(tls):
    openssl("verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", tls / "ca.pem", tls / "node.pem")
    openssl("verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", tls / "ca.pem", tls / "node.pem")
    for name in ("localhost", "llm.example.org", socket.gethostname()):
        openssl("verify", "-CAfile", tls / "ca.pem", "-verify_hostname", name, tls / "node.pem")
    for address in ("127.0.0.1", "::1", "10.0.0.7"):
        openssl("verify", "-CAfile", tls / "ca.pem", "-verify_ip", address, tls / "node.pem")


def test_init_says_what_each_is_for(tls):
    node = openssl("x509", "-in", tls / "node.pem", "-noout", "-text")
    ca = openssl("x509", "-in", tls / "ca.pem", "-noout", "-text")
    assert "TLS Web Server Authentication, TLS Web Client Authentication" in node
    assert "CA:FALSE" in node and "Digital Signature" in node and "ASN1 OID: prime256v1" in node
    assert "URI:spiffe://example.org/node" in node and "IP Address:10.0.0.7" in node and "DNS:llm.example.org" in node
    assert "Subject: CN = llm.example.org" in node
    assert "CA:TRUE, pathlen:0" in ca and "Certificate Sign, CRL Sign" in ca and "ASN1 OID: prime256v1" in ca


def test_init_keeps_keys_to_their_owner(tls):
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tls.iterdir()}
    assert modes == {"ca.pem": 0o644, "ca.key": 0o600, "node.pem": 0o644, "node.key": 0o600}
    for name in ("ca", "node"):
        public = openssl("x509", "-in", tls / f"{name}.pem", "-noout", "-pubkey")
        assert openssl("pkey", "-in", tls / f"{name}.key", "-pubout") == public


def test_node_comes_with_its_chain(tls):
    text = (tls / "node.pem").read_text()
    assert text.count("BEGIN CERTIFICATE") == 2 and text.endswith((tls / "ca.pem").read_text())
    assert "PRIVATE" not in text


def test_init_again_renews_from_the_same_ca(tmp_path):
    init(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    done = run_cli("cert", "init", tmp_path)
    assert done.returncode == 1 and "--force" in done.stderr and "node.pem" in done.stderr
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    said = ok("init", tmp_path, "--force", "--name", "new.example.org")
    assert "as it was" in said
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert after.keys() == before.keys()
    assert {name for name in after if after[name] != before[name]} == {"node.pem", "node.key"}
    openssl("verify", "-CAfile", tmp_path / "ca.pem", "-verify_hostname", "new.example.org", tmp_path / "node.pem")
    serials = [openssl("x509", "-noout", "-serial", "-in", path) for path in (tmp_path / "ca.pem", tmp_path / "node.pem")]
    assert len(set(serials)) == 2


def test_init_from_a_ca_that_others_made(tmp_path):
    self_signed(tmp_path, "ca")
    ok("init", tmp_path)
    openssl("verify", "-CAfile", tmp_path / "ca.pem", tmp_path / "node.pem")
    assert shown(tmp_path / "node.pem")[0]["issuer"] == "CN=ca"


@pytest.mark.parametrize("spoil, says", [
    (lambda d: (d / "ca.key").unlink(), "ca.pem is there without"),
    (lambda d: (d / "ca.pem").unlink(), "ca.key is there without"),
    (lambda d: (d / "ca.pem").write_text("nonsense"), "ca.pem: has no certificate"),
    (lambda d: (d / "ca.key").write_text("nonsense"), "ca.key: has no private key"),
    (lambda d: (d / "ca.key").write_bytes((d / "node.key").read_bytes()), "is not the key of this certificate"),
    (lambda d: [(d / f"ca.{x}").write_bytes((d / f"node.{x}").read_bytes()) for x in ("pem", "key")], "ca.pem: is no CA"),
])
def test_init_needs_a_ca_in_order(tmp_path, spoil, says):
    init(tmp_path)
    spoil(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    done = run_cli("cert", "init", tmp_path, "--force")
    assert done.returncode == 1 and says in done.stderr, done.stderr
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_init_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    done = run_cli("cert", "init", tmp_path / "file")
    assert done.returncode == 1 and str(tmp_path / "file") in done.stderr
    done = run_cli("cert", "init", tmp_path / "no" / "folder")
    assert done.returncode == 1 and "cannot be made: No such file" in done.stderr


def test_init_tells_how_to_go_on(tmp_path):
    said = ok("init", tmp_path / "tls")
    for line in ("tls: { certificate:", "curl --cacert", "SSL_CERT_FILE=", "NODE_EXTRA_CA_CERTS="):
        assert line in said
    listen = yaml.safe_load(re.search(r"listen:.*?}", said, re.S).group())
    path = tmp_path / "hostler.yaml"
    path.write_text(yaml.safe_dump({**config_of([model_of("http://127.0.0.1:1/v1")]), **listen}))
    done = run_cli("check", "-c", path)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("argv", [[], ["a", "b"], ["a", "--name", "a b"], ["a", "--name", "http://"], ["a", "--name", "ü.example"],
                                  ["a", "--name"], ["a", "--nonsense"]])
def test_init_used_wrongly(argv, tmp_path):
    done = run_cli("cert", "init", *[tmp_path / word if word in ("a", "b") else word for word in argv])
    assert done.returncode == 2 and done.stderr and not done.stdout
    assert not list(tmp_path.iterdir())


# --- show ---

def test_show_agrees_with_openssl(tls):
    node, ca = shown(tls / "node.pem")
    assert node["place"] == 1 and ca["place"] == 2 and not node["ca"] and ca["ca"]
    assert node["issuer"] == ca["subject"] == f"CN=Hostler CA {socket.gethostname()}"
    assert node["key_type"] == "EC P-256" and node["key_bits"] == 256
    assert {"type": "ip", "name": "::1"} in node["names"] and {"type": "dns", "name": "localhost"} in node["names"]
    assert {"type": "uri", "name": "spiffe://example.org/node"} in node["names"]
    dates = openssl("x509", "-in", tls / "node.pem", "-noout", "-dates", "-dateopt", "iso_8601")
    assert [node["not_before"], node["not_after"]] == [d.split("=")[1].replace(" ", "T") for d in dates.split("\n")[:2]]
    assert 396 * 86400 < node["seconds_left"] < 397 * 86400
    der = subprocess.run(f"openssl x509 -in {tls}/node.pem -noout -pubkey | openssl pkey -pubin -outform der | "
                         "openssl dgst -sha256 -binary | openssl base64", shell=True, capture_output=True, text=True, timeout=60)
    assert node["pin"] == "sha256:" + der.stdout.strip()


def test_show_is_readable(tls):
    text = ok("show", tls / "node.pem", tls / "ca.pem")
    assert f"{tls}/node.pem\n" in text and f"{tls}/node.pem, certificate 2\n" in text and f"{tls}/ca.pem\n" in text
    assert "(396 days left)" in text and "sha256:" in text and "spiffe://example.org/node" in text


def test_show_tells_what_it_cannot(tls, tmp_path):
    done = run_cli("cert", "show", tls / "node.key", tls / "ca.pem", tmp_path / "none.pem")
    assert done.returncode == 1
    assert f"{tls}/ca.pem\n" in done.stdout
    assert "node.key: has no certificate in PEM form; it has a private key" in done.stderr
    assert "none.pem: cannot be read: No such file" in done.stderr
    assert run_cli("cert", "show").returncode == 2


# --- check ---

def test_check_finds_nothing(tls):
    assert ok("check", tls / "node.pem", "--key", tls / "node.key", "--ca", tls / "ca.pem", "--name", "localhost", "--name", "::1",
              "--name", "spiffe://example.org/node", "--days", 396) == f"{tls}/node.pem: ok\n"
    assert ok("check", tls / "node.pem", tls / "ca.pem") == f"{tls}/node.pem: ok\n{tls}/ca.pem: ok\n"


def test_check_tells_each_fault(tls, tmp_path):
    other = init(tmp_path)
    found = faults(tls / "node.pem", "--key", other / "node.key", "--ca", other / "ca.pem", "--name", "a.example", "--name", "10.0.0.8",
                   "--days", 400)
    assert len(found) == 5 and all(line.startswith(f"{tls}/node.pem: ") for line in found)
    for line, word in zip(found, ("expires on", "is not the key", "is not verified by", "is not for a.example", "is not for 10.0.0.8")):
        assert word in line


def test_check_of_broken_files(tls, tmp_path):
    cut = tmp_path / "cut.pem"
    cut.write_text((tls / "node.pem").read_text()[:300])
    assert "cut.pem: certificate 1 is broken" in faults(cut)[0]
    assert "node.key: has no certificate" in faults(tls / "node.key")[0]
    assert faults(tls / "node.pem", "--key", tls / "node.pem") == [
        f"{tls}/node.pem: has no private key in PEM form; it has a certificate"]
    assert "has expired on 2020-01-02" in faults(expired(tmp_path, "old"))[0]


@pytest.mark.parametrize("argv", [[], ["x", "--days", "-1"], ["x", "--days", "soon"], ["x", "y", "--key", "z"], ["x", "--nonsense"]])
def test_check_used_wrongly(argv):
    done = run_cli("cert", "check", *argv)
    assert done.returncode == 2 and done.stderr and not done.stdout


# --- hostler check ---

def configure(path, listen=None, endpoint=None):
    config = config_of([model_of("https://127.0.0.1:1/v1")])
    if listen is not None:
        config["listen"] = [{"address": "127.0.0.1:8443", "tls": {k: str(v) for k, v in listen.items()}}]
    if endpoint is not None:
        config["models"][0]["endpoints"][0]["tls"] = {k: str(v) for k, v in endpoint.items()}
    path.write_text(yaml.safe_dump(config))
    return path


def test_configuration_with_good_certificates(tls, tmp_path):
    path = configure(tmp_path / "h.yaml", {"certificate": tls / "node.pem", "key": tls / "node.key", "client_ca": tls / "ca.pem",
                                           "client": "required"}, {"ca": tls / "ca.pem", "certificate": tls / "node.pem",
                                                                   "key": tls / "node.key"})
    done = run_cli("check", "-c", path)
    assert done.returncode == 0 and "warning" not in done.stdout, done.stdout


def test_configuration_names_file_and_reason(tls, tmp_path):
    old = expired(tmp_path, "old")
    none = tmp_path / "none.pem"
    none.write_text("nothing\n")
    cases = [
        ({"certificate": tls / "node.pem", "key": tls / "ca.key"}, None, "listen[0].tls.key", f"{tls}/node.pem", "is not the key"),
        ({"certificate": tls / "node.pem"}, None, "listen[0].tls.key", f"{tls}/node.pem", "has no private key"),
        ({"certificate": old, "key": tmp_path / "old.key"}, None, "listen[0].tls.certificate", f"{old}", "has expired on 2020-01-02"),
        ({"certificate": none, "key": tls / "node.key"}, None, "listen[0].tls.certificate", f"{none}", "has no certificate"),
        ({"certificate": tls / "node.pem", "key": tls / "node.key", "client_ca": none, "client": "optional"}, None,
         "listen[0].tls.client_ca", f"{none}", "has no certificate"),
        (None, {"ca": old}, "models[0].endpoints[0].tls.ca", f"{old}", "has expired"),
        (None, {"certificate": tls / "node.pem", "key": none}, "models[0].endpoints[0].tls.key", f"{none}", "has no private key"),
    ]
    for listen, endpoint, setting, file, reason in cases:
        path = configure(tmp_path / "h.yaml", listen, endpoint)
        done = run_cli("check", "-c", path, "--json")
        verdict = json.loads(done.stdout)
        assert done.returncode == 1 and not verdict["ok"] and len(verdict["problems"]) == 1, verdict
        problem = verdict["problems"][0]
        assert problem["setting"] == setting and problem["line"] and problem["file"] == str(path)
        assert problem["text"].startswith(file + ": ") and reason in problem["text"], problem
        text = run_cli("check", "-c", path).stdout
        assert f"{setting}: {file}: " in text and text.endswith("1 problem\n")


def test_configuration_warns_before_the_end(tmp_path):
    soon = self_signed(tmp_path, "soon", days=5)
    path = configure(tmp_path / "h.yaml", {"certificate": soon, "key": tmp_path / "soon.key"})
    done = run_cli("check", "-c", path)
    assert done.returncode == 0 and "listen[0].tls.certificate: warning: " in done.stdout and "expires on" in done.stdout
    assert done.stdout.rstrip().endswith("1 warning")
