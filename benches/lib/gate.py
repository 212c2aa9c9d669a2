"""Tealgate with a file of many routes, asked and changed from outside."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from processes import binary, die_with_the_script, free_port

KEY = "bench-key-of-this-run"


def ask(port, method, path, body=None, headers=None):
    """One request on a connection of its own; status and body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


class Gate:
    """Tealgate with a file of many routes, and an upstream behind it."""

    def __init__(self, routes, threads):
        self.directory = tempfile.mkdtemp(prefix="tealgate-scale-")
        self.port, self.admin, self.upstream_port = free_port(), free_port(), free_port()
        self.upstream = subprocess.Popen([binary("bench-upstream"), str(self.upstream_port)], stdout=subprocess.DEVNULL,
                                         preexec_fn=die_with_the_script)
        self.process = None
        resources = "\n".join(f"  - {{id: r{n}, uri: /api/v1/resource-{n}/*, service_id: bench}}" for n in range(routes))
        with open(os.path.join(self.directory, "tealgate.yaml"), "w") as file:
            file.write(f"""
listen: 127.0.0.1:{self.port}
admin: {{listen: "127.0.0.1:{self.admin}", tls_listen: off}}
data_dir: {self.directory}/data
threads: {threads}
access_log: {self.directory}/access.log
log: {{level: warn}}
routes:
  - {{id: bench, uri: /bench/*, service_id: bench}}
{resources}
services:
  - {{id: bench, upstream_id: one}}
upstreams:
  - {{id: one, nodes: {{"127.0.0.1:{self.upstream_port}": 1}}}}
""")

    def start(self):
        """Starts it, and gives the seconds until requests are served, and the MiB of memory then."""
        command = [binary("tealgate"), "serve", "--config", os.path.join(self.directory, "tealgate.yaml")]
        log = os.path.join(self.directory, "log")
        began = time.monotonic()
        with open(log, "ab") as output:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                            env=dict(os.environ, TEALGATE_ADMIN_KEY=KEY))
        while time.monotonic() - began < 120 and self.process.poll() is None:
            try:
                if ask(self.port, "GET", "/bench/get-1k")[0] == 200 and ask(self.admin, "GET", "/readyz"):
                    return time.monotonic() - began, self.memory_mib()
            except OSError:
                pass
            time.sleep(0.002)
        with open(log, errors="replace") as text:
            sys.exit(f"tealgate did not start:\n{text.read()[-2000:]}")

    def memory_mib(self):
        with open(f"/proc/{self.process.pid}/status") as text:
            for line in text:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) / 1024
        return 0.0

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def close(self):
        self.stop()
        self.upstream.kill()
        self.upstream.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


class Admin:
    """A connection to the Admin API."""

    def __init__(self, gate):
        self.gate = gate
        self.connection = http.client.HTTPConnection("127.0.0.1", gate.admin, timeout=30)

    def put(self, path, value):
        """Writes a resource, and gives the milliseconds until every gateway thread runs it."""
        return self.call("PUT", path, json.dumps(value))

    def delete(self, path):
        """Deletes a resource, and gives the milliseconds until no gateway thread runs it."""
        return self.call("DELETE", path)

    def call(self, method, path, body=None):
        began = time.monotonic()
        self.connection.request(method, f"/apisix/admin/{path}", body=body, headers={"X-API-KEY": KEY})
        response = self.connection.getresponse()
        text = response.read()
        took = (time.monotonic() - began) * 1000
        if response.status not in (200, 201) or response.getheader("x-tealgate-applied"):
            sys.exit(f"a change was not applied: {response.status} {text[:500]}")
        return took
