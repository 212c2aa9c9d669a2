"""A gRPC server (Debian's python3-grpcio) with a method of each kind. Messages are bytes as they are, so nothing is
compiled. Its arguments are its name, which all answers carry, and its port; 0 takes a free one. It prints its port."""

import sys
import threading
from concurrent import futures

import grpc

NAME = sys.argv[1].encode()
begun, cancelled = threading.Semaphore(0), threading.Semaphore(0)


def unary(request, context):
    metadata = dict(context.invocation_metadata())
    context.send_initial_metadata((("x-name", NAME.decode()), ("x-meta", metadata.get("x-meta", ""))))
    context.set_trailing_metadata((("x-trailing", metadata.get("x-meta", "")), ("x-bin-bin", b"\x00\xff")))
    return NAME + b" " + request


def same(request, context):
    return request


def collect(requests, context):
    sizes = [len(request) for request in requests]
    return b"%s %d %d" % (NAME, len(sizes), sum(sizes))


def count(request, context):
    for number in range(int(request)):
        yield b"%s %d" % (NAME, number)


def chat(requests, context):
    for request in requests:
        yield NAME + b" " + request


def stuck(request, context):
    """Answers nothing until the client gives the call up."""
    ended = threading.Event()
    context.add_callback(ended.set)
    begun.release()
    ended.wait(30)
    cancelled.release()
    return b""


def silent(request, context):
    """One message, and then nothing until the client gives the call up."""
    yield NAME
    stuck(request, context)


def has_begun(request, context):
    """Waits until a call that gets no answer is there."""
    return b"yes" if begun.acquire(timeout=10) else b"no"


def was_cancelled(request, context):
    """Waits until a call was given up."""
    return b"yes" if cancelled.acquire(timeout=10) else b"no"


def missing(request, context):
    context.abort(grpc.StatusCode.NOT_FOUND, "no such thing: 100 %")


def half(request, context):
    yield NAME
    context.abort(grpc.StatusCode.DATA_LOSS, "half")


handlers = {
    "Unary": grpc.unary_unary_rpc_method_handler(unary),
    "Same": grpc.unary_unary_rpc_method_handler(same),
    "Collect": grpc.stream_unary_rpc_method_handler(collect),
    "Count": grpc.unary_stream_rpc_method_handler(count),
    "Chat": grpc.stream_stream_rpc_method_handler(chat),
    "Stuck": grpc.unary_unary_rpc_method_handler(stuck),
    "Silent": grpc.unary_stream_rpc_method_handler(silent),
    "HasBegun": grpc.unary_unary_rpc_method_handler(has_begun),
    "WasCancelled": grpc.unary_unary_rpc_method_handler(was_cancelled),
    "Missing": grpc.unary_unary_rpc_method_handler(missing),
    "Half": grpc.unary_stream_rpc_method_handler(half),
}
server = grpc.server(futures.ThreadPoolExecutor(max_workers=32), options=[("grpc.so_reuseport", 0)])
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("t.Test", handlers),))
print(server.add_insecure_port("127.0.0.1:" + sys.argv[2]), flush=True)
server.start()
server.wait_for_termination()
