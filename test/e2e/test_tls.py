# SPDX-License-Identifier: Apache-2.0
"""TLS on real sockets: who is let in, whom runtimes must be, which certificate is shown, and that new ones come without a lost connection.
What goes through it is in test_http2.py."""

import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest

from h2_client import H2Conn
from harness import Conn, chat_body, model_of, read_request, run_cli, until, whole
from secure import Authority, Secure, scripted_tls, secure_gate, secure_mock


@pytest.fixture(scope="module")
def authorities(tmp_path_factory):
    """Two CAs that know nothing of each other."""
    return [Authority(tmp_path_factory.mktemp(name)) for name in ("ours", "theirs")]


@pytest.fixture
def ours(authorities):
    return authorities[0]


@pytest.fixture
def theirs(authorities):
    return authorities[1]


@pytest.fixture
def own(tmp_path):
    """A CA whose certificates the test replaces."""
    return Authority(tmp_path / "own", "a.example.org")


def shown(port, context, name="localhost"):
    """The certificate that a server shows, in DER."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw, context.wrap_socket(raw, server_hostname=name) as conn:
        return conn.getpeercert(binary_form=True)


def refused(port, context):
    """Why a client is not let in. TLS 1.3 tells it by the first read."""
    with pytest.raises((ssl.SSLError, ConnectionResetError, EOFError)) as error, Conn(port, tls=context) as conn:
        conn.request("GET", "/livez")
        conn.response()
    return str(error.value)


# --- listeners ---


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("alpn, agreed", [(["h2", "http/1.1"], "h2"), (["http/1.1"], "http/1.1"), (["x", "http/1.1"], "http/1.1"), ([], None)])
def test_protocols(processes, mock, ours, version, alpn, agreed):
    gate = secure_gate(processes, mock, ours)
    context = ours.client(alpn)
    context.minimum_version = context.maximum_version = version
    if agreed == "h2":
        with H2Conn(gate.secure, tls=context) as conn:
            assert conn.ask("GET", "/livez").status == 200
    else:
        with Conn(gate.secure, tls=context) as conn:
            assert conn.socket.selected_alpn_protocol() == agreed
            conn.request("POST", "/v1/chat/completions", chat_body())
            assert conn.response().status == 200


def test_old_versions_and_weak_ciphers_are_refused(processes, mock, ours):
    gate = secure_gate(processes, mock, ours)
    for options in (["-tls1"], ["-tls1_1"], ["-tls1_2", "-cipher", "AES128-SHA"], ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"]):
        done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{gate.secure}", "-CAfile", ours.ca, *options], input="",
                              capture_output=True, text=True, timeout=20)
        assert "Cipher is (NONE)" in done.stdout or "Cipher    : 0000" in done.stdout, done.stdout


def test_plain_words_on_a_tls_port(processes, mock, ours):
    gate = secure_gate(processes, mock, ours)
    with Conn(gate.secure) as conn:
        conn.request("GET", "/livez")
        answer = conn.response()
        assert answer.status == 400 and "https://" in answer.body.decode() and conn.at_end()
    with Conn(gate.secure) as conn:
        conn.socket.sendall(b"\x00" * 100)  # neither of both
        assert b"HTTP" not in conn.socket.recv(4096)
    assert Secure(gate.secure, ours.client()).get("/livez").status == 200


def test_a_client_that_says_nothing_is_left(processes, mock, ours):
    """A handshake has as long as a head has."""
    gate = secure_gate(processes, mock, ours, timeouts={"head": "1s"})
    with Conn(gate.secure) as conn:
        began = time.monotonic()
        assert conn.at_end() and time.monotonic() - began < 5


def test_tickets_resume_sessions(processes, mock, ours):
    gate = secure_gate(processes, mock, ours)
    context = ours.client()
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # whose tickets come with the handshake
    first = Conn(gate.secure, tls=context)
    session = first.socket.session
    first.close()
    with socket.create_connection(("127.0.0.1", gate.secure)) as raw, \
            context.wrap_socket(raw, server_hostname="localhost", session=session) as conn:
        assert conn.session_reused


def test_the_farewell(processes, mock, ours):
    """An answer that ends with its connection ends with close_notify, so that nobody can have cut it."""
    gate = secure_gate(processes, mock, ours)
    raw = socket.create_connection(("127.0.0.1", gate.secure), timeout=10)
    with ours.client().wrap_socket(raw, server_hostname="localhost", suppress_ragged_eofs=False) as conn:
        conn.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        while conn.recv(65536):  # an end without it would be an error here
            pass


# --- clients' certificates ---


@pytest.mark.parametrize("client, none, right, wrong", [("off", True, True, True), ("optional", True, True, False), ("required", False, True, False)])
def test_client_certificates(processes, mock, ours, theirs, client, none, right, wrong):
    ca = {} if client == "off" else {"client_ca": str(ours.ca)}
    gate = secure_gate(processes, mock, ours, tls={"client": client, **ca})
    for own, allowed in ((None, none), (ours, right), (theirs, wrong)):
        context = ours.client(own=own)
        if allowed:
            assert Secure(gate.secure, context).chat().status == 200
        else:
            refused(gate.secure, context)
    assert Secure(gate.secure, ours.client(own=ours)).get("/livez").status == 200


# --- several certificates ---


def test_server_names(processes, mock, tmp_path):
    first, second = Authority(tmp_path / "a", "a.example.org"), Authority(tmp_path / "b", "b.example.org", "*.wild.example.org")
    gate = secure_gate(processes, mock, first, tls={"certificates": [second.pair()]})
    a, b = (ssl.PEM_cert_to_DER_cert(x.certificate.read_text().split("-----END")[0] + "-----END CERTIFICATE-----") for x in (first, second))
    for name, certificate, authority in (("a.example.org", a, first), ("b.example.org", b, second), ("B.Example.ORG", b, second),
                                         ("x.wild.example.org", b, second), ("localhost", a, first)):
        assert shown(gate.secure, authority.client(), name) == certificate, name
    other = first.client()
    other.check_hostname = False
    assert shown(gate.secure, other, "nobody.example.org") == a


# --- new certificates ---


def test_new_certificates_lose_no_connection(processes, mock, own):
    gate = secure_gate(processes, mock, own)
    context = own.client()
    before = shown(gate.secure, context)
    with Conn(gate.secure, tls=context) as kept, H2Conn(gate.secure, tls=own.client(["h2"])) as h2:
        gate.stream(kept, max_tokens=100, mock={"rate": 100})
        stream = h2.request("POST", "/v1/chat/completions", chat_body(stream=True, max_tokens=100, mock={"rate": 100}))
        h2.event(stream)
        own.sign("a.example.org")
        gate.signal(signal.SIGHUP)
        after = until(lambda: (now := shown(gate.secure, context)) != before and now, "the new one is shown")
        events = []
        while (event := kept.event()) != "[DONE]":
            events.append(event)
        assert len(events) >= 100
        assert h2.response(stream).events()[-1] == "[DONE]"
        kept.request("GET", "/livez")
    assert shown(gate.secure, context) == after != before


def test_many_reloads_under_load(processes, mock, own):
    """Every handshake shows one of the certificates, and no request is lost."""
    gate = secure_gate(processes, mock, own)
    over, problems, asked = threading.Event(), [], [0]

    def ask():
        while not over.is_set():
            try:
                assert Secure(gate.secure, own.client()).chat().status == 200
                asked[0] += 1
            except Exception as error:  # what a thread finds
                problems.append(repr(error))
                return
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        own.sign("a.example.org")
        gate.signal(signal.SIGHUP)
        time.sleep(0.1)
    over.set()
    for thread in threads:
        thread.join()
    assert not problems and asked[0] > 20


@pytest.mark.parametrize("damage", ["nonsense", "gone", "another key"])
def test_bad_new_certificates_change_nothing(processes, mock, own, theirs, damage):
    gate = secure_gate(processes, mock, own)
    before = shown(gate.secure, own.client())
    if damage == "nonsense":
        own.certificate.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    elif damage == "gone":
        own.certificate.unlink()
    else:
        own.key.write_bytes(theirs.key.read_bytes())
    gate.signal(signal.SIGHUP)
    line = until(lambda: [l for l in gate.log() if l["level"] == "error"], "the fault is logged")[0]
    assert str(own.folder) in str(line), line
    assert shown(gate.secure, own.client()) == before


def test_expiry_is_told(processes, mock, own):
    gate = secure_gate(processes, mock, own)
    expires = gate.metric("hostler_tls_certificate_expiry_timestamp_seconds")
    assert abs(expires - time.time() - 397 * 86400) < 2 * 86400


# --- runtimes' certificates ---


def failing(gate):
    """The message of the error that a request gets."""
    answer = gate.chat()
    assert answer.status in (502, 503), answer.raw
    return answer.error()["message"]


@pytest.mark.parametrize("tls, words", [
    ({}, "self-signed certificate in certificate chain"),
    ({"server_name": "c.example.org"}, "hostname mismatch"),
    ({"pins": ["sha256:" + "A" * 43 + "="]}, "pinned")])
def test_wrong_runtimes(processes, ours, theirs, tls, words):
    """The client is told which check failed, and so is the log; nothing of the request has gone."""
    mock = secure_mock(processes, ours)
    ca = theirs.ca if not tls else ours.ca
    gate = processes.gate([model_of(mock, tls={"ca": str(ca), **tls})])
    assert words in failing(gate).lower()
    assert any(words in str(line).lower() for line in gate.log())
    assert mock.stats()["requests"] == 0
    gate.idle()


def test_a_runtime_that_the_system_does_not_trust(processes, ours):
    gate = processes.gate([model_of(secure_mock(processes, ours))])
    assert "issuer" in failing(gate) or "self-signed" in failing(gate)


def test_trusted_by_the_environment(processes, ours):
    """SSL_CERT_FILE is what the system trusts."""
    gate = processes.gate([model_of(secure_mock(processes, ours))], env={"SSL_CERT_FILE": str(ours.ca)})
    assert gate.chat().status == 200


def test_a_pin_alone(processes, ours, theirs):
    pin = next(word for word in run_cli("cert", "show", ours.certificate).stdout.split() if word.startswith("sha256:"))
    right = processes.gate([model_of(secure_mock(processes, ours), tls={"verify": False, "pins": [pin]})])
    wrong = processes.gate([model_of(secure_mock(processes, theirs), tls={"verify": False, "pins": [pin]})])
    assert right.chat().status == 200
    assert "pinned" in failing(wrong)


def test_server_name(processes, own):
    mock = secure_mock(processes, own)
    gate = processes.gate([model_of(mock, tls={"ca": str(own.ca), "server_name": "a.example.org"})])
    assert gate.chat().status == 200


def test_our_own_certificate(processes, ours, theirs):
    """A runtime that wants one sees it; without one it lets nobody in."""
    seen = []

    def serve(conn, _raw):
        seen.append(conn.getpeercert())
        while True:
            read_request(conn)
            conn.sendall(b"".join(whole(b'{"id":"x"}')))
    url = scripted_tls(processes, ours.server(clients=theirs), serve)
    gate = processes.gate([model_of(url, tls={"ca": str(ours.ca), **theirs.pair()})])
    assert gate.chat().json() == {"id": "x"} and seen[0]


def test_a_runtime_that_wants_a_certificate_says_so(processes, mock, ours):
    runtime = secure_gate(processes, mock, ours, tls={"client": "required", "client_ca": str(ours.ca)})
    gate = processes.gate([model_of(f"https://127.0.0.1:{runtime.secure}/v1", tls={"ca": str(ours.ca)})])
    done = run_cli("models", "--url", f"https://127.0.0.1:{runtime.secure}", env={"SSL_CERT_FILE": str(ours.ca)})
    assert done.returncode == 1 and "does it want a certificate of its clients" in done.stderr, done.stderr
    assert "certificate required" in failing(gate)
    assert any("certificate required" in str(line) for line in gate.log())


def test_a_runtime_without_tls(processes, mock, ours):
    gate = processes.gate([model_of(mock.url.replace("http:", "https:"), tls={"ca": str(ours.ca)})])
    message = failing(gate)
    assert "wrong version number" in message or "packet length" in message, message
    gate.idle()


def test_a_runtime_that_does_not_shake_hands(processes, ours):
    """It accepts and is silent: timeouts.connect holds for all of it."""
    url = processes.script(lambda conn: conn.recv(100000) and time.sleep(5)).replace("http:", "https:")
    gate = processes.gate([model_of(url, tls={"ca": str(ours.ca)})], timeouts={"connect": "300ms"})
    began = time.monotonic()
    assert gate.chat().status in (503, 504) and time.monotonic() - began < 3
    gate.idle()


def test_the_mock_names_bad_files(ours, theirs, processes):
    done = run_cli("mock", "--listen", "127.0.0.1:0", "--tls", f"{ours.certificate},{theirs.key}")
    assert done.returncode == 1 and str(theirs.key) in done.stderr
