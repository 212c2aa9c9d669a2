"""How each proxy is set up. All do the same with a request: match it, send it to the one upstream over connections that
are kept, set X-Forwarded-For. What Tealgate does besides, and what the others leave out, is said where it is."""

import os
import shutil
import subprocess

from processes import ROOT, binary, free_port

KEYS = 10_000
ROUTES = 1_000
ENVOY = os.path.join(ROOT, "target", "bench-tools", "envoy", "bin", "envoy")


class Proxy:
    """A proxy's ports and command. `h2` speaks HTTP/2 with prior knowledge, `tls` HTTP/1.1 over TLS 1.3."""

    def __init__(self, machine, options, certificate):
        self.machine, self.options, self.certificate = machine, options, certificate
        self.plain, self.h2, self.tls = free_port(), free_port(), free_port()

    def ports(self):
        return [self.plain, self.h2, self.tls]

    def has(self, port):
        return getattr(self, port) is not None


class Relay(Proxy):
    """Copies bytes and parses nothing: the floor."""

    def __init__(self, *args):
        super().__init__(*args)
        self.h2 = self.tls = None

    def ports(self):
        return [self.plain]

    def command(self):
        return [binary("bench-relay"), str(self.plain), str(self.machine.upstream_port)]

    @staticmethod
    def version():
        return ""


class Nginx(Proxy):
    """Without an access log, unless --nginx-log."""

    PATH = shutil.which("nginx") or "/usr/sbin/nginx"

    def command(self):
        directory = self.machine.directory
        log = "access_log access-nginx.log;" if self.options.nginx_log else "access_log off;"
        config = self.machine.write("nginx.conf", f"""
worker_processes 1;
worker_rlimit_nofile 16384;
daemon off;
pid {directory}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 16384; }}
http {{
    {log}
    client_body_temp_path {directory}/nginx-body;
    proxy_temp_path {directory}/nginx-proxy;
    fastcgi_temp_path {directory}/nginx-fastcgi;
    uwsgi_temp_path {directory}/nginx-uwsgi;
    scgi_temp_path {directory}/nginx-scgi;
    keepalive_requests 1000000000;
    client_body_buffer_size 32k;
    proxy_buffers 8 32k;
    proxy_buffer_size 32k;
    ssl_certificate {self.certificate}/cert.pem;
    ssl_certificate_key {self.certificate}/key.pem;
    ssl_protocols TLSv1.3;
    upstream backend {{
        server 127.0.0.1:{self.machine.upstream_port};
        keepalive 320;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{self.plain};
        listen 127.0.0.1:{self.h2} http2;
        listen 127.0.0.1:{self.tls} ssl;
        location / {{
            proxy_pass http://backend;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        }}
    }}
}}
""")
        return [self.PATH, "-p", directory, "-c", config]

    @classmethod
    def version(cls):
        return first_line([cls.PATH, "-v"])


class Haproxy(Proxy):
    """Without a log."""

    PATH = shutil.which("haproxy") or "/usr/sbin/haproxy"

    def command(self):
        config = self.machine.write("haproxy.cfg", f"""
global
    nbthread 1
    maxconn 8192
defaults
    mode http
    timeout connect 10s
    timeout client 60s
    timeout server 60s
    option http-keep-alive
    http-reuse always
frontend front
    bind 127.0.0.1:{self.plain}
    bind 127.0.0.1:{self.h2} proto h2
    bind 127.0.0.1:{self.tls} ssl crt {self.certificate}/both.pem ssl-min-ver TLSv1.3
    option forwardfor
    default_backend back
backend back
    server one 127.0.0.1:{self.machine.upstream_port}
""")
        return [self.PATH, "-db", "-f", config]

    @classmethod
    def version(cls):
        return first_line([cls.PATH, "-v"])


class Envoy(Proxy):
    """Without an access log; its statistics are on, as they always are."""

    PATH = ENVOY

    def listener(self, name, port, codec, tls=""):
        return f"""
  - name: {name}
    address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: {name}
          codec_type: {codec}
          use_remote_address: true
          generate_request_id: false
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes: [{{match: {{prefix: /}}, route: {{cluster: one}}}}]
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
{tls}"""

    def command(self):
        tls = f"""      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context:
            tls_params: {{tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_3}}
            tls_certificates:
            - certificate_chain: {{filename: {self.certificate}/cert.pem}}
              private_key: {{filename: {self.certificate}/key.pem}}
"""
        listeners = (self.listener("plain", self.plain, "HTTP1") + self.listener("h2", self.h2, "HTTP2")
                     + self.listener("tls", self.tls, "HTTP1", tls))
        config = self.machine.write("envoy.yaml", f"""
static_resources:
  listeners:{listeners}
  clusters:
  - name: one
    type: STATIC
    connect_timeout: 10s
    load_assignment:
      cluster_name: one
      endpoints:
      - lb_endpoints:
        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {self.machine.upstream_port}}}}}}}
    circuit_breakers:
      thresholds: [{{max_connections: 30000, max_pending_requests: 30000, max_requests: 30000}}]
""")
        return [self.PATH, "-c", config, "--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]

    @classmethod
    def version(cls):
        return "envoy " + first_line([cls.PATH, "--version"]).split(":")[-1].strip().split("/")[1]


class Tealgate(Proxy):
    """With everything on: see the head of `side-by-side`."""

    NAME, PATH = "tealgate", binary("tealgate")

    def __init__(self, *args):
        super().__init__(*args)
        self.admin = free_port()
        if "http2" in self.options.without:
            self.h2 = None
        else:
            self.h2 = self.plain
        if "tls" in self.options.without:
            self.tls = None

    def ports(self):
        return [port for port in (self.plain, self.tls) if port]

    def plugins(self):
        plugins = ["""
      traffic-split:
        rules:
          - weighted_upstreams:
              - {upstream_id: two, weight: 50}
              - {upstream_id: one, weight: 50}"""]
        if "guard" not in self.options.without:
            # As a release writes it while it moves traffic; failures would make it fire.
            plugins.append("""
            tealgate:
              guard: {id: bench-1, new: two, max_error_ppm: 50000, min_requests: 20, break_ppm: 250000,
                      false_alarm_one_in: 1000, tolerance_percent: 120, controller_missing: stay,
                      missing_after_ms: 5000, planned_restart_ms: 60000}""")
        if "key-auth" not in self.options.without:
            plugins.append("""
      key-auth: {}""")
        if "limit-count" not in self.options.without:
            plugins.append("""
      limit-count: {count: 1000000000, time_window: 60, rejected_code: 429, key_type: var, key: remote_addr}""")
        return "".join(plugins)

    def command(self):
        directory, without = self.machine.directory, self.options.without
        node = f'nodes: {{"127.0.0.1:{self.machine.upstream_port}": 1}}, keepalive_pool: {{size: 320, requests: 1000000000}}'
        routes = "\n".join(f"  - {{id: other-{n}, uri: /api/v1/resource-{n}/*, service_id: bench}}"
                           for n in range(ROUTES - 1))
        consumers = "\n".join(f"  - {{username: consumer_{n}, plugins: {{key-auth: {{key: key-{n:05}}}}}}}"
                              for n in range(KEYS))
        ssl = f"""ssls:
  - id: bench
    snis: [bench.test]
    cert: {{from_file: {self.certificate}/cert.pem}}
    key: {{from_file: {self.certificate}/key.pem}}"""
        config = self.machine.write(f"{self.NAME}.yaml", f"""
listen: 127.0.0.1:{self.plain}
{"" if self.tls is None else f"tls_listen: 127.0.0.1:{self.tls}"}
admin: {{listen: "127.0.0.1:{self.admin}", tls_listen: off}}
data_dir: {directory}/{self.NAME}-data
threads: 1
access_log: {"off" if "access-log" in without else f"{directory}/access-{self.NAME}.log"}
log: {{level: warn}}
routes:
  - {{id: bench, uri: /bench/*, service_id: bench}}
{routes}
services:
  - id: bench
    upstream_id: one
    plugins:{self.plugins()}
upstreams:
  - {{id: one, {node}}}
  - {{id: two, {node}}}
{"" if "key-auth" in without else "consumers:" + chr(10) + consumers}
{"" if self.tls is None else ssl}
""")
        return [self.PATH, "serve", "--config", config]

    @classmethod
    def version(cls):
        commit = first_line(["git", "-C", ROOT, "describe", "--always", "--dirty", "--abbrev=12"])
        return f"{first_line([cls.PATH, '--version'])} ({commit})"


class Tuned(Tealgate):
    """The same, built by the profile of such a load: `scripts/build-tuned`."""

    NAME, PATH = "tuned", os.path.join(ROOT, "target", "tuned", "tealgate")

    @staticmethod
    def version():
        return ""


PROXIES = {"relay": Relay, "tealgate": Tealgate, "tuned": Tuned, "nginx": Nginx, "haproxy": Haproxy, "envoy": Envoy}


def missing(name):
    """Why a proxy cannot take part; empty if it can."""
    path = getattr(PROXIES[name], "PATH", None)
    if path is None or os.path.exists(path):
        return ""
    ways = {"envoy": "run benches/get-envoy", "tuned": "run scripts/build-tuned",
            "tealgate": "cargo build --release"}
    how = ways.get(name, f"Debian: apt-get install {name}")
    return f"{name} is not there and is left out ({how})"


def certificate(machine):
    """A directory with a certificate for bench.test and its ECDSA P-256 key, the same for all proxies."""
    directory = os.path.join(machine.directory, "certificate")
    os.mkdir(directory)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-subj", "/CN=bench.test", "-addext", "subjectAltName=DNS:bench.test", "-days", "30",
                    "-keyout", f"{directory}/key.pem", "-out", f"{directory}/cert.pem"],
                   check=True, stderr=subprocess.DEVNULL)
    with open(f"{directory}/both.pem", "w") as both:
        for part in ("cert", "key"):
            with open(f"{directory}/{part}.pem") as text:
                both.write(text.read())
    return directory


def first_line(command):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=10)
        return next((line.strip() for line in done.stdout.decode(errors="replace").splitlines() if line.strip()), "?")
    except (OSError, subprocess.TimeoutExpired):
        return "?"
