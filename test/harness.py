# SPDX-License-Identifier: Apache-2.0
"""Real processes and raw connections for the e2e and client tests.

`Processes` starts gateways, mocks and other programs in one temporary folder, each on a port of the kernel's choice, and at
the end stops them and looks at what they left: exit status 0, no sanitizer report, whole JSON log lines.
"""

import contextlib
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import termios
import threading
import time

import yaml

ROOT = pathlib.Path(os.environ.get("HOSTLER_ROOT", pathlib.Path(__file__).resolve().parent.parent))
HOSTLER = os.environ.get("HOSTLER_BIN", str(ROOT / "build/asan/src/hostler"))
ENGINE = os.environ.get("HOSTLER_ENGINE", str(ROOT / "build/hostler-engine"))
FAKE_ENGINE = os.environ.get("HOSTLER_ENGINE_FAKE", str(ROOT / "build/asan/src/hostler-engine-fake"))
SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1",
    "LSAN_OPTIONS": "print_suppressions=0",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
}
SANITIZER_REPORT = re.compile(r"ERROR: \w+Sanitizer|runtime error:|Assertion .* failed")
CLIENT_KEY = "sk-client-0123456789"  # for gateways that ask for one
PATIENCE = 20  # seconds; what takes longer has hung


def until(look, what, seconds=PATIENCE):
    """Looks again and again until it sees something true, and returns that."""
    end = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.004)


# --- HTTP by hand ---


class Response:
    """An answer's head, and its body once read."""

    def __init__(self, head):
        self.raw = head
        lines = head.decode("latin-1").split("\r\n")
        self.version, status, *_ = lines[0].split(" ", 2)
        self.status = int(status)
        self.headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines[1:] if line)]
        self.body = b""

    def get(self, name):
        """A header's value, or None."""
        return next((value for key, value in self.headers if key == name), None)

    def json(self):
        return json.loads(self.body)

    def error(self):
        """The error object, whose shape is checked."""
        body = self.json()
        assert set(body) == {"error"}, body
        error = body["error"]
        assert set(error) == {"message", "type", "param", "code"}, error
        assert isinstance(error["message"], str) and error["message"]
        assert self.get("content-type") == "application/json"
        assert self.get("x-request-id")
        return error

    def events(self):
        """The data of each event of a stream."""
        return events_of(self.body)


def events_of(body):
    return [line[len(b"data: "):].decode() for block in body.split(b"\n\n") for line in block.split(b"\n")
            if line.startswith(b"data: ")]


def text_of(events):
    """The text of a chat stream's events."""
    return "".join(choice["delta"].get("content") or "" for event in events if event != "[DONE]"
                   for choice in json.loads(event).get("choices", []))


class Conn:
    """A client connection that sends what it is told, byte by byte. `tls`: an SSLContext, for a server of that name."""

    def __init__(self, address, timeout=PATIENCE, receive_buffer=None, tls=None, name="localhost"):
        if isinstance(address, int):
            self.socket = socket.socket(socket.AF_INET)
            address = ("127.0.0.1", address)
        else:
            self.socket = socket.socket(socket.AF_UNIX)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        self.socket.connect(address)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname=name)
        self.input = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        self.socket.sendall(data)

    def request(self, method, path, body=None, headers=(), version="1.1", host="localhost"):
        """Sends one request. `headers` is a dict or pairs; a str or dict body becomes bytes."""
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode()
        lines = [f"{method} {path} HTTP/{version}"]
        if host:
            lines.append(f"Host: {host}")
        lines += [f"{name}: {value}" for name, value in (headers.items() if isinstance(headers, dict) else headers)]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b""))

    def more(self):
        """Reads on; False at the end."""
        data = self.socket.recv(65536)
        self.input += data
        return bool(data)

    def take(self, count):
        while len(self.input) < count:
            if not self.more():
                raise EOFError(f"cut: {self.input!r}")
        data, self.input = self.input[:count], self.input[count:]
        return data

    def take_line(self, end=b"\r\n"):
        while end not in self.input:
            if not self.more():
                raise EOFError(f"cut: {self.input!r}")
        line, _, self.input = self.input.partition(end)
        return line

    def head(self):
        """The next response head."""
        return Response(self.take_line(b"\r\n\r\n"))

    def chunks(self, response):
        """The body in the pieces in which it comes. EOFError when it is cut."""
        if response.get("transfer-encoding") == "chunked":
            while size := int(self.take_line(), 16):
                yield self.take(size)
                assert self.take(2) == b"\r\n"
            assert self.take_line() == b""
        elif response.get("content-length") is not None:
            if length := int(response.get("content-length")):
                yield self.take(length)
        elif response.status not in (204, 304):
            while self.input or self.more():
                yield self.take(len(self.input))

    def response(self, method="GET"):
        """The next answer, whole."""
        response = self.head()
        if method != "HEAD":
            response.body = b"".join(self.chunks(response))
        return response

    def event(self):
        """The next event's data of a stream whose head was read. Chunk borders may fall anywhere."""
        while True:
            if b"\n\n" in self.stream:
                block, _, self.stream = self.stream.partition(b"\n\n")
                if data := events_of(block):
                    return data[0]
                continue
            self.stream += next(self.pieces)

    def open_stream(self, path, body, headers=()):
        """Sends a request and reads the head of its answer; event() gives the events then."""
        self.request("POST", path, body, headers)
        response = self.head()
        self.stream, self.pieces = b"", self.chunks(response)
        return response

    def at_end(self):
        """True when the peer has closed: nothing more comes."""
        try:
            return not self.input and not self.more()
        except ConnectionResetError:
            return True

    def close(self):
        self.socket.close()

    def hurry(self):
        """Reads with a large buffer from here on."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)

    def reset(self):
        """Closes by RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


class Server:
    """Asking something that listens at `address`: a port, or a UNIX socket's path."""

    address = None
    tls = None  # an SSLContext, if TLS is spoken there

    def connect(self, **options):
        return Conn(self.address, **{"tls": self.tls, **options})

    def ask(self, method, path, body=None, headers=(), **options):
        with self.connect() as conn:
            conn.request(method, path, body, headers, **options)
            return conn.response(method)

    def get(self, path, **options):
        return self.ask("GET", path, **options)

    def post(self, path, body, headers=(), **options):
        return self.ask("POST", path, body, headers, **options)

    def chat(self, body=None, headers=(), **fields):
        """A chat request; fields are the body's, besides some that are needed."""
        return self.post("/v1/chat/completions", body if body is not None else chat_body(**fields), headers)

    def stream(self, conn, headers=(), **fields):
        """Begins a stream on a connection; its head must be 200."""
        response = conn.open_stream("/v1/chat/completions", chat_body(stream=True, **fields), headers)
        assert response.status == 200, response.raw
        return response


def chat_body(**fields):
    return {"model": "m", "messages": [{"role": "user", "content": "hello"}], **fields}


# --- processes ---


class Program(Server):
    """A running program with its output in files. `group`: in a process group of its own."""

    def __init__(self, argv, folder, name, env=None, group=False):
        self.out, self.err = folder / f"{name}.out", folder / f"{name}.err"
        self.argv = [str(a) for a in argv]
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self.child = subprocess.Popen(self.argv, stdout=out, stderr=err, stdin=subprocess.DEVNULL,
                                          env={**clean_environment(), **SANITIZERS, **(env or {})}, process_group=0 if group else None)
        self.expected = {0}

    @property
    def pid(self):
        return self.child.pid

    def output(self):
        return self.out.read_text(errors="replace")

    def errors(self):
        return self.err.read_text(errors="replace")

    def running(self):
        return self.child.poll() is None

    def signal(self, number):
        self.child.send_signal(number)

    def wait(self, seconds=PATIENCE):
        return self.child.wait(seconds)

    def stop(self):
        """Ends it as its owner would, and looks whether it ended well."""
        if self.running():
            self.signal(signal.SIGTERM)
        try:
            status = self.wait()
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            raise AssertionError(f"{self.argv[1]} did not end after SIGTERM:\n{self.errors()[-3000:]}") from None
        report = SANITIZER_REPORT.search(self.errors())
        assert not report, self.errors()[max(0, report.start() - 500):][:6000]
        assert status in self.expected, f"{self.argv[1]} ended with {status}:\n{self.errors()[-3000:]}"

    def kill(self):
        self.expected.add(-signal.SIGKILL)
        self.child.kill()
        self.child.wait()

    def memory(self):
        """Resident bytes."""
        return int(pathlib.Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")

    def started_line(self, text, pattern):
        def look():
            found = re.search(pattern, text())
            assert found or self.running(), f"did not start: {self.errors()[-3000:]}{self.output()[-1000:]}"
            return found
        return until(look, f"{self.argv[1]} starts")


def clean_environment():
    """Ours without what would configure a gateway, and without proxies."""
    return {k: v for k, v in os.environ.items() if not k.startswith("HOSTLER_") and not k.lower().endswith("_proxy")}


class Mock(Program):
    """A scripted runtime."""

    def __init__(self, folder, name, flags, listen="127.0.0.1:0"):
        super().__init__([HOSTLER, "mock", "--listen", listen, *flags], folder, name)

    def ready(self):
        where = self.started_line(self.output, r"listening (\S+)\n").group(1)
        self.address = where[len("unix:"):] if where.startswith("unix:") else int(where.rpartition(":")[2])
        return self

    @property
    def url(self):
        scheme = "https" if self.tls else "http"
        return f"{scheme}://127.0.0.1:{self.address}/v1" if isinstance(self.address, int) else f"unix:{self.address}"

    def stats(self):
        return self.get("/mock/stats").json()

    def requests(self):
        return self.get("/mock/requests").json()["requests"]

    def knobs(self, **knobs):
        assert self.post("/mock/knobs", knobs).status == 200

    def script(self, *turns):
        """What the next answers say: turns as docs/mock.md has them, or texts, one by one or as a list."""
        if len(turns) == 1 and isinstance(turns[0], (list, tuple)):
            turns = turns[0]
        turns = [{"say": turn} if isinstance(turn, str) else turn for turn in turns]
        answer = self.post("/mock/script", turns)
        assert answer.status == 200, answer.body

    def played(self):
        """How often each turn of the script was taken."""
        return [turn["used"] for turn in self.get("/mock/script").json()["turns"]]

    def sent(self, index=-1):
        """The body of a recorded request."""
        return json.loads(self.requests()[index]["body"])

    def bodies(self):
        """What it was asked, in order: (path, body) of each recorded request that has a body."""
        return [(r["target"].partition("?")[0], json.loads(r["body"])) for r in self.requests() if r["body"]]

    def reset(self):
        assert self.post("/mock/reset", "{}").status == 200

    def idle(self):
        """Waits until nothing is in progress."""
        return until(lambda: (s := self.stats())["active"] == 0 and s, "the mock is idle")


class Gate(Program):
    """A gateway on a configuration."""

    def __init__(self, folder, name, config, env=None, program=None):
        self.path = folder / f"{name}.yaml"
        self.write(config)
        super().__init__([program or HOSTLER, "serve", "-c", self.path], folder, name,
                         {"HOSTLER_ENGINE": FAKE_ENGINE, "XDG_RUNTIME_DIR": str(folder), **(env or {})})
        self.secrets = []
        self.headers = {}  # what metrics() sends, such as a key

    def ready(self):
        self.started_line(self.errors, r'"event":"started"')
        port = re.search(r'"msg":"http://[^"]*:(\d+)"', self.errors())
        unix = re.search(r'"msg":"unix:([^"]*)"', self.errors())
        self.address = int(port.group(1)) if port else unix.group(1)
        return self

    @property
    def url(self):
        return f"http://127.0.0.1:{self.address}"

    def write(self, config):
        """The configuration's file, as a dict or as text."""
        self.path.write_text(config if isinstance(config, str) else yaml.safe_dump(config, sort_keys=False))

    def reload(self, config):
        """Writes the configuration and has it read; returns the log's lines about it."""
        before = len(self.log())
        self.write(config)
        self.signal(signal.SIGHUP)
        def look():
            lines = self.log()[before:]
            return any(l["event"] == "reload" for l in lines) and lines
        return until(look, "the reload is logged")

    def log(self):
        """The log's whole lines."""
        lines = self.err.read_text(errors="replace").split("\n")[:-1]
        return [json.loads(line) for line in lines]

    def exchanges(self, **fields):
        return [l for l in self.log() if l["event"] == "exchange" and all(l.get(k) == v for k, v in fields.items())]

    def exchange(self, **fields):
        """Waits for the one log line of an exchange."""
        return until(lambda: self.exchanges(**fields), f"an exchange with {fields} is logged")[0]

    def metrics(self):
        """Samples as {name{labels}: value}."""
        answer = self.get("/metrics", headers=self.headers)
        assert answer.status == 200, answer.body
        return parse_metrics(answer.body.decode())

    def metric(self, name, **labels):
        """The sum of the metric's samples that have these labels."""
        want = set(labels.items())
        return sum(v for (n, l), v in self.metrics().items() if n == name and want <= set(l))

    def idle(self):
        """Waits until no request is in progress and no credit is out."""
        until(lambda: self.metric("hostler_requests_active") == 0 and self.metric("hostler_endpoint_inflight") == 0
              and self.metric("hostler_queue_length") == 0, "all requests and credits are settled")

    def children(self):
        """Process ids of the engines."""
        path = pathlib.Path(f"/proc/{self.pid}/task")
        pids = []
        for task in path.iterdir():
            with contextlib.suppress(OSError):
                pids += [int(p) for p in (task / "children").read_text().split()]
        return pids

    def stop(self):
        super().stop()
        if self.address:
            self.log()  # every line is JSON
        for secret in self.secrets:
            assert secret not in self.errors(), f"{secret} is in the log"


SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"(?:,|$)')


def parse_metrics(text):
    samples = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        match = SAMPLE.match(line)
        assert match, line
        labels = tuple((k, v) for k, v in LABEL.findall(match.group(2) or ""))
        assert (match.group(1), labels) not in samples, f"twice: {line}"
        samples[match.group(1), labels] = float(match.group(3))
    return samples


class Processes:
    """Starts programs for one test, and ends them in reverse order."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="hostler-e2e-"))
        self.programs = []
        self.closers = contextlib.ExitStack()

    def keep(self, program):
        self.programs.append(program)
        return program

    def name(self, kind):
        return f"{kind}{len(self.programs)}"

    def mock(self, *flags, listen="127.0.0.1:0"):
        return self.keep(Mock(self.folder, self.name("mock"), [str(f) for f in flags], listen)).ready()

    def gate(self, models=None, env=None, wait=True, **settings):
        """A gateway. `models` is a list as in the file, or a mock or several that serve the model m."""
        gate = self.keep(Gate(self.folder, self.name("gate"), config_of(models, **settings), env))
        return gate.ready() if wait else gate

    def script(self, handler):
        """A server of the test's own: calls handler(socket) for each connection, on a thread."""
        return self.closers.enter_context(scripted_server(handler))

    def stop(self):
        problems = []
        for program in reversed(self.programs):
            try:
                program.stop()
            except Exception as error:  # the others must end all the same
                problems.append(f"{type(error).__name__}: {error}")
        self.closers.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        assert not problems, "\n".join(problems)


def config_of(models, **settings):
    if isinstance(models, str) and not models.startswith(("http:", "unix:")):
        return models
    if not isinstance(models, (list, tuple)):
        models = [models]
    if models and not isinstance(models[0], dict):
        models = [model_of(*models)]
    # A build with sanitizers on a busy machine is always late: what is told of that has tests of its own.
    return {"listen": "127.0.0.1:0", "threads": 2, "models": models, "overload": {"lag": "none"}, **settings}


def model_of(*mocks, name="m", **settings):
    """A model of the configuration whose endpoints e0, e1 ... are these mocks (or URLs)."""
    per_endpoint = {k: settings.pop(k) for k in ("capacity", "key", "health", "model", "kind", "dialects", "tls", "http2") if k in settings}
    endpoints = [{"name": f"e{i}", "url": m if isinstance(m, str) else m.url, **per_endpoint} for i, m in enumerate(mocks)]
    return {"name": name, "endpoints": endpoints, **settings}


@contextlib.contextmanager
def scripted_server(handler):
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    over = threading.Event()

    def serve(conn):
        with contextlib.suppress(OSError, EOFError), conn:
            conn.settimeout(PATIENCE)
            conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            handler(conn)

    def accept():
        while not over.is_set():
            try:
                conn, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(conn,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    finally:
        over.set()
        listener.shutdown(socket.SHUT_RDWR)  # wakes accept
        listener.close()


def read_request(conn):
    """One request from a scripted server's socket: (head, body)."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = conn.recv(65536)
        if not piece:
            raise EOFError
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: *(\d+)", head)
    length = int(length.group(1)) if length else 0  # a probe
    while len(body) < length:
        body += conn.recv(65536)
    return head, body


def canned(processes, answer, seen=None):
    """The URL of a runtime that gives the same answer (a list of pieces) to everyone, and keeps requests in `seen`."""
    def handler(conn):
        while True:
            head, body = read_request(conn)
            if seen is not None:
                seen.append((head, body))
            for piece in answer:
                conn.sendall(piece)
            if not re.search(rb"(?i)content-length|chunked", b"".join(answer)):
                return
    return processes.script(handler)


def whole(body, headers=b"", status=b"200 OK", kind=b"application/json"):
    return [b"HTTP/1.1 " + status + b"\r\nContent-Type: " + kind + b"\r\n" + headers +
            b"Content-Length: %d\r\n\r\n" % len(body) + body]


def sse(body, size=None):
    pieces = [body[i:i + size] for i in range(0, len(body), size)] if size else [body]
    return [b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"] + \
        [b"%x\r\n%s\r\n" % (len(p), p) for p in pieces] + [b"0\r\n\r\n"]


def free_port():
    """A port on which nobody listens now."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def run_cli(*argv, env=None, input=None, timeout=PATIENCE):
    """Runs a command of hostler to its end."""
    done = subprocess.run([HOSTLER, *[str(a) for a in argv]], capture_output=True, text=True, input=input or "",
                          env={**clean_environment(), **SANITIZERS, **(env or {})}, timeout=timeout)
    assert not SANITIZER_REPORT.search(done.stderr), done.stderr
    return done


STATE = tempfile.TemporaryDirectory(prefix="hostler-state-")  # what is typed is kept here


class Terminal:
    """A program on a pseudo-terminal, with what it has shown so far."""

    def __init__(self, *argv, env=None, program=HOSTLER):
        self.shown = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(program, [program, *map(str, argv)], {**clean_environment(), **SANITIZERS, "TERM": "xterm", "XDG_STATE_HOME": STATE.name, **(env or {})})

    def type(self, text):
        os.write(self.fd, text.encode())

    def shows(self, text, seconds=20):
        """Waits for the text, and forgets everything up to it."""
        end = time.monotonic() + seconds
        while text not in self.shown:
            assert select.select([self.fd], [], [], max(end - time.monotonic(), 0))[0], f"{text!r} is missing in {self.shown!r}"
            self.shown += os.read(self.fd, 65536).decode(errors="replace")
        self.shown = self.shown.split(text, 1)[1]

    def look(self):
        """Takes what has been shown by now; how much of it was not asked for yet."""
        while select.select([self.fd], [], [], 0)[0]:
            self.shown += os.read(self.fd, 65536).decode(errors="replace")
        return len(self.shown)

    def ends(self, whole=True):
        """The exit code, when the terminal is as it was before."""
        waited = until(lambda: [w for w in [os.waitpid(self.pid, os.WNOHANG)] if w[0]], "it ends")
        local = termios.tcgetattr(self.fd)[3]
        os.close(self.fd)
        assert not whole or (local & termios.ICANON and local & termios.ECHO and local & termios.ISIG)
        return os.waitstatus_to_exitcode(waited[0][1])
