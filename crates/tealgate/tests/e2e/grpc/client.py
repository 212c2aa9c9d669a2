"""A gRPC client (Debian's python3-grpcio). Arguments: the address, and what to do. It fails by an exception."""

import json
import queue
import sys
import threading
import time

import grpc

CHANNEL = grpc.insecure_channel(sys.argv[1], options=[("grpc.enable_http_proxy", 0)])
LIMIT_S = 20


def unary(method, request, **more):
    more.setdefault("timeout", LIMIT_S)
    return CHANNEL.unary_unary("/t.Test/" + method)(request, **more)


def fails(call):
    """The error that a call ends with."""
    try:
        call()
    except grpc.RpcError as error:
        return error
    raise AssertionError("the call succeeded")


def calls():
    """Each kind of call, and each way to end one."""
    method = CHANNEL.unary_unary("/t.Test/Unary")
    answer, call = method.with_call(b"hello", metadata=(("x-meta", "m"),), timeout=LIMIT_S)
    assert answer == b"blue hello", answer
    initial, trailing = dict(call.initial_metadata()), dict(call.trailing_metadata())
    assert (initial["x-name"], initial["x-meta"]) == ("blue", "m"), initial
    assert (trailing["x-trailing"], trailing["x-bin-bin"]) == ("m", b"\x00\xff"), trailing

    large = bytes(range(256)) * (2 * 1024 * 1024 // 256)
    assert unary("Same", large) == large
    assert unary("Same", b"") == b""

    collected = CHANNEL.stream_unary("/t.Test/Collect")(iter([b"x" * 70_000] * 30), timeout=LIMIT_S)
    assert collected == b"blue 30 2100000", collected
    counted = list(CHANNEL.unary_stream("/t.Test/Count")(b"500", timeout=LIMIT_S))
    assert counted == [b"blue %d" % number for number in range(500)], counted
    assert list(CHANNEL.unary_stream("/t.Test/Count")(b"0", timeout=LIMIT_S)) == []

    said = queue.Queue()
    chat = CHANNEL.stream_stream("/t.Test/Chat")(iter(said.get, None), timeout=LIMIT_S)
    for number in range(50):
        said.put(b"%d" % number)
        assert next(chat) == b"blue %d" % number
    said.put(None)
    assert list(chat) == [] and chat.code() == grpc.StatusCode.OK


def errors():
    """What the server refuses, what takes too long, what the client gives up."""
    error = fails(lambda: unary("Missing", b""))
    assert (error.code(), error.details()) == (grpc.StatusCode.NOT_FOUND, "no such thing: 100 %"), error
    half = CHANNEL.unary_stream("/t.Test/Half")(b"", timeout=LIMIT_S)
    assert next(half) == b"blue"
    assert fails(lambda: next(half)).code() == grpc.StatusCode.DATA_LOSS
    assert fails(lambda: unary("Nothing", b"")).code() == grpc.StatusCode.UNIMPLEMENTED

    error = fails(lambda: unary("Stuck", b"", timeout=0.4))
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error
    assert unary("HasBegun", b"") == unary("WasCancelled", b"") == b"yes"

    for method in ("Stuck", "Silent"):
        call = CHANNEL.unary_stream("/t.Test/" + method)(b"", timeout=LIMIT_S)
        if method == "Silent":
            assert next(call) == b"blue"
        # A call that is given up before it was sent never reaches anybody.
        assert unary("HasBegun", b"") == b"yes"
        call.cancel()
        assert fails(lambda: next(call)).code() == grpc.StatusCode.CANCELLED
        assert unary("WasCancelled", b"") == b"yes"


def deadline():
    """A deadline that nobody but the gate looks at: it is sent as metadata, and the call itself has none."""
    started = time.monotonic()
    later = (("grpc-timeout", "300m"),)
    error = fails(lambda: unary("Stuck", b"", timeout=None, metadata=later))
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error
    silent = CHANNEL.unary_stream("/t.Test/Silent")(b"", metadata=later)
    assert next(silent) == b"blue"
    error = fails(lambda: next(silent))
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error
    assert time.monotonic() - started < 10
    for _ in range(2):
        assert unary("WasCancelled", b"") == b"yes"


def refused(expected):
    """The gate itself answers, with this status."""
    error = fails(lambda: unary("Unary", b""))
    assert error.code() == grpc.StatusCode[expected], error
    assert "upstream" in error.details() or "Route" in error.details(), error


def load():
    """Calls and streams until a line comes on stdin. A message that a drained stream has not answered is sent again on
    the next one; whatever else fails is lost."""
    stop = threading.Event()
    counts = {"unary": 0, "messages": 0, "drained": 0, "lost": [], "names": []}
    lock = threading.Lock()

    def note(key, by=1):
        with lock:
            counts[key] += by

    def check(answer, sent):
        name, _, rest = answer.partition(b" ")
        with lock:
            if name.decode() not in counts["names"]:
                counts["names"].append(name.decode())
            if rest != sent:
                counts["lost"].append(f"{answer!r} for {sent!r}")

    def call(caller):
        number = 0
        while not stop.is_set():
            sent = b"%d.%d" % (caller, number)
            try:
                check(unary("Unary", sent), sent)
                note("unary")
            except grpc.RpcError as error:
                note("lost", [f"unary: {error.code()} {error.details()}"])
            number += 1

    def stream(caller):
        number = 0
        while not stop.is_set():
            said = queue.Queue()
            chat = CHANNEL.stream_stream("/t.Test/Chat")(iter(said.get, None), timeout=120)
            try:
                while not stop.is_set():
                    sent = b"%d.%d" % (caller, number)
                    said.put(sent)
                    check(next(chat), sent)
                    note("messages")
                    number += 1
                    time.sleep(0.002)
                said.put(None)
                assert list(chat) == []
            except grpc.RpcError as error:
                said.put(None)
                if error.code() == grpc.StatusCode.UNAVAILABLE and "drained" in error.details():
                    note("drained")
                else:
                    note("lost", [f"stream: {error.code()} {error.details()}"])

    threads = [threading.Thread(target=call, args=(number,)) for number in range(4)]
    threads += [threading.Thread(target=stream, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    print("running", flush=True)
    sys.stdin.readline()
    stop.set()
    for thread in threads:
        thread.join()
    print(json.dumps(counts), flush=True)


globals()[sys.argv[2]](*sys.argv[3:])
