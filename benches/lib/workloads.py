"""What is measured: CPU per request under load, and memory per connection that waits."""

import socket
import ssl
import statistics
import time

from processes import LOAD_CORE, PROXY_CORE, busy_s, memory_kib, talk, times, tree

CONNECTIONS = 64
H2_CONNECTIONS, H2_STREAMS = 16, 8
HANDSHAKE_CONNECTIONS = 16
IDLE_CONNECTIONS = 5_000


class Workload:
    """Requests of one kind: which port, which generator, and what of it must hold against the better of nginx and
    HAProxy (`must`, `aim`)."""

    unit = "µs/request"

    def __init__(self, name, title, port, generator, words, must, aim):
        self.name, self.title, self.port = name, title, port
        self.generator, self.words, self.must, self.aim = generator, words, must, aim

    def measure(self, machine, running, options):
        rounds = {name: [] for name in running}
        for number in range(options.rounds):
            names = list(running)
            for name in names[number % len(names):] + names[:number % len(names)]:
                rounds[name].append(self.one(machine, running[name], options.seconds))
                talk(f"{self.name} round {number + 1}: {name:9} {rounds[name][-1]['cost']:6.2f} {self.unit}, "
                     f"{rounds[name][-1]['per_second']:8.0f}/s, {rounds[name][-1]['errors']} errors")
        return rounds

    def one(self, machine, running, seconds):
        proxy, process = running
        pids = tree(process.pid)
        words = [getattr(proxy, self.port) if word == "PORT" else seconds if word == "SECONDS" else word
                 for word in self.words]
        before, ticks, began = busy_s(PROXY_CORE), times(process.pid), time.monotonic()
        result = machine.load(self.generator, words, pids, seconds)
        busy = (busy_s(PROXY_CORE) - before) / (time.monotonic() - began)
        user, system = (after - before for after, before in zip(times(process.pid), ticks))
        result["cost"] = result["cpu_ns"] / 1000 / max(result["requests"], 1)
        result["per_second"] = result["requests"] / (result["elapsed_ns"] / 1e9)
        result["utilisation"] = result["cpu_ns"] / result["elapsed_ns"]
        result["foreign"] = max(0.0, busy - result["utilisation"])
        result["user_share"] = user / max(user + system, 1)
        return result


class Idle:
    """Connections that have had one answer each and wait for the next request."""

    unit = "KiB/connection"

    def __init__(self, name, title, port, must, aim):
        self.name, self.title, self.port, self.must, self.aim = name, title, port, must, aim

    def measure(self, machine, running, options):
        del options
        rounds = {}
        for name, (proxy, process) in running.items():
            # What a little load leaves behind is not the idle connections'.
            before = self.settled(process.pid)
            sockets = [self.connect(getattr(proxy, self.port)) for _ in range(IDLE_CONNECTIONS)]
            after = self.settled(process.pid)
            for one in sockets:
                one.close()
            rounds[name] = [{"cost": (after - before) / IDLE_CONNECTIONS, "before_kib": before, "errors": 0}]
            talk(f"{self.name}: {name:9} {rounds[name][0]['cost']:6.2f} {self.unit}")
        return rounds

    @staticmethod
    def settled(pid):
        time.sleep(2)
        return memory_kib(pid)

    def connect(self, port):
        one = socket.create_connection(("127.0.0.1", port), timeout=10)
        if self.port == "tls":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            one = context.wrap_socket(one, server_hostname="bench.test")
        one.sendall(b"GET /bench/get-1k HTTP/1.1\r\nHost: bench.test\r\napikey: key-00042\r\n\r\n")
        answer = b""
        while not answer.endswith(b"\r\n\r\n") and len(answer.partition(b"\r\n\r\n")[2]) < 1024:
            piece = one.recv(16_384)
            if not piece:
                raise OSError("the connection was closed")
            answer += piece
        if not answer.startswith(b"HTTP/1.1 200 "):
            raise OSError(f"not the answer: {answer[:100]!r}")
        return one


def h1(name, title, must, aim):
    return Workload(name, title, "plain", "bench-load", ["PORT", name, "SECONDS", CONNECTIONS], must, aim)


ALL = [
    h1("get-1k", "GET, 1 KiB answer", 0.85, 0.75),
    h1("get-16k", "GET, 16 KiB answer", 0.85, 0.70),
    h1("post-10k", "POST, 10 KiB body", 0.85, 0.70),
    Workload("h2", f"HTTP/2, {H2_CONNECTIONS} × {H2_STREAMS} streams, GET 1 KiB", "h2", "bench-h2",
             ["PORT", "get-1k", "SECONDS", H2_CONNECTIONS, H2_STREAMS], 1.05, 0.90),
    Workload("tls-requests", "TLS 1.3, GET 1 KiB, kept connections", "tls", "bench-tls",
             ["requests", "PORT", "get-1k", "SECONDS", CONNECTIONS], 1.0, 0.85),
    Workload("tls-handshakes", "TLS 1.3, full handshake and one GET 1 KiB", "tls", "bench-tls",
             ["handshakes", "PORT", "get-1k", "SECONDS", HANDSHAKE_CONNECTIONS], 1.0, 0.85),
    Idle("idle-plain", f"memory, {IDLE_CONNECTIONS} idle connections", "plain", 4.0, 1.5),
    Idle("idle-tls", f"memory, {IDLE_CONNECTIONS} idle TLS connections", "tls", None, None),
]


def middle(rounds, name, key="cost"):
    return statistics.median(result[key] for result in rounds[name])


def ratio(rounds, name, other):
    """The median of the ratios within each round; `None` without the other."""
    if other not in rounds or name not in rounds:
        return None
    pairs = zip(rounds[name], rounds[other])
    return statistics.median(one["cost"] / max(two["cost"], 1e-9) for one, two in pairs)


def better_of(rounds, names=("nginx", "haproxy")):
    """Which of them costs less."""
    there = [name for name in names if name in rounds]
    return min(there, key=lambda name: middle(rounds, name)) if there else None
