"""The processes of one run: started on their cores, asked what they cost, and stopped."""

import ctypes
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LOAD_CORE, PROXY_CORE = 0, 1
MOST_FILES = 65_536
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


def talk(text):
    print(text, file=sys.stderr, flush=True)


def binary(name):
    directory = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
    return os.path.join(directory, "release", name)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(port):
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def allow_files():
    """Lets this process, and those that it starts, open as many files as it may."""
    most = min(MOST_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def die_with_the_script():
    """Between fork and exec. What never sleeps must not outlive a script that was killed (prctl(2)): with --realtime it
    would own a core."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Machine:
    """A directory, an upstream that never sleeps, and whatever else is started; all of it goes at the end."""

    def __init__(self, realtime):
        self.realtime = realtime
        self.directory = tempfile.mkdtemp(prefix="tealgate-bench-")
        self.processes = []
        self.upstream_port = free_port()

    def prepare(self, core):
        os.setsid()
        die_with_the_script()
        os.sched_setaffinity(0, {core})
        allow_files()
        if self.realtime:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))

    def start_upstream(self):
        self.start("upstream", [binary("bench-upstream"), str(self.upstream_port)], LOAD_CORE, [self.upstream_port])

    def start(self, name, command, core, ports, seconds=60):
        """Starts a process and waits until it listens on all its ports."""
        log = os.path.join(self.directory, f"{name}.log")
        with open(log, "wb") as output:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                       preexec_fn=lambda: self.prepare(core), cwd=self.directory)
        self.processes.append(process)
        deadline = time.monotonic() + seconds
        while not all(map(listens, ports)):
            if process.poll() is not None or time.monotonic() > deadline:
                with open(log, errors="replace") as text:
                    talk(text.read()[-2000:])
                sys.exit(f"{name} does not listen on 127.0.0.1:{ports}; see its output above")
            time.sleep(0.05)
        return process

    def write(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path, "w") as file:
            file.write(text)
        return path

    def load(self, generator, words, pids, seconds):
        """Runs a load generator, and gives what it measured."""
        command = [binary(generator), *map(str, words), ",".join(map(str, pids))]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              preexec_fn=lambda: self.prepare(LOAD_CORE), timeout=seconds * 3 + 30)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)} failed: {done.stderr.decode(errors='replace')[-500:]}")
        return json.loads(done.stdout)

    def stop(self):
        for process in self.processes:
            for sig in (signal.SIGTERM, signal.SIGKILL):
                try:
                    os.killpg(process.pid, sig)
                    process.wait(timeout=3)
                    break
                except subprocess.TimeoutExpired:
                    continue
                except ProcessLookupError:
                    break
        shutil.rmtree(self.directory, ignore_errors=True)


def tree(pid):
    """The process and all that it started."""
    pids, children = [pid], []
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children") as text:
            children += map(int, text.read().split())
    for child in children:
        pids += tree(child)
    return pids


def times(pid):
    """Clock ticks of the process tree in user code and in the kernel."""
    fields = []
    for process in tree(pid):
        with open(f"/proc/{process}/stat") as text:
            fields.append(text.read().rsplit(")", 1)[1].split())
    return sum(int(of[11]) for of in fields), sum(int(of[12]) for of in fields)


def processor():
    """Its name, and what of its weaknesses the kernel works around at a price: both move the ratios, not only the figures."""
    with open("/proc/cpuinfo") as text:
        names = [line.split(":", 1)[1].strip() for line in text if line.startswith("model name")]
    weaknesses = []
    for weakness in ("spectre_v2", "spec_rstack_overflow", "retbleed"):
        try:
            with open(f"/sys/devices/system/cpu/vulnerabilities/{weakness}") as text:
                state = text.read().strip()
        except OSError:
            continue
        if state != "Not affected":
            weaknesses.append(f"{weakness}: {state.split(';')[0]}")
    return f"{names[0] if names else 'unknown processor'} ({', '.join(weaknesses) or 'nothing worked around'})"


def busy_s(core):
    with open("/proc/stat") as text:
        for line in text:
            if line.startswith(f"cpu{core} "):
                user, nice, system, _idle, _iowait, irq, softirq = map(int, line.split()[1:8])
                return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")
    return 0.0


def memory_kib(pid):
    """The process tree's share of memory (PSS)."""
    kib = 0
    for process in tree(pid):
        with open(f"/proc/{process}/smaps_rollup") as text:
            kib += sum(int(line.split()[1]) for line in text if line.startswith("Pss:"))
    return kib
