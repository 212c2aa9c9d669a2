# An ASGI application under uvicorn that says one thing at a time: the next one only when it has been told that the last
# one has arrived. Whatever holds bytes back on the way would stop it for good.
import asyncio, json, socket, sys, uvicorn

seen = []
arrived = None
PAGE = b"""<!doctype html><title>events</title><script>
const tell = (what) => fetch('/seen', {method: 'POST', body: JSON.stringify(what)});
const source = new EventSource('/events');
source.onmessage = (event) => tell([event.lastEventId, event.data.length, event.data.slice(0, 12)]);
source.addEventListener('end', (event) => { source.close(); tell(['end', event.data]); });
</script>"""


async def content(receive):
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


async def say(send, text):
    arrived.clear()
    await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
    await arrived.wait()


async def events(scope, send):
    last = dict(scope["headers"]).get(b"last-event-id")
    if last is not None:
        await say(send, f"event: end\ndata: again after {last.decode()}\n\n")
        return
    await say(send, "retry: 10\nid: 1\ndata: first\n\n")
    await say(send, ": a comment\nid: 2\ndata: two\ndata: lines\n\n")
    # More than a buffer of the gate holds.
    await say(send, "id: 3\ndata: " + "grün" * 25_000 + "\n\n")


async def stream(send):
    for number in range(5):
        await say(send, f"piece {number};")


async def websocket(receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": "asgi " + message["text"]})


async def app(scope, receive, send):
    if scope["type"] == "websocket":
        return await websocket(receive, send)
    path = scope["path"]
    if path == "/seen":
        seen.append(json.loads(await content(receive)))
        arrived.set()
    kind = {"/": b"text/html", "/events": b"text/event-stream"}.get(path, b"text/plain")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
    body = b""
    if path == "/":
        body = PAGE
    elif path == "/events":
        await events(scope, send)
    elif path == "/stream":
        await stream(send)
    elif path == "/upload":
        body = str(len(await content(receive))).encode()
    elif path == "/state":
        body = json.dumps(seen).encode()
    await send({"type": "http.response.body", "body": body})


async def main():
    global arrived
    arrived = asyncio.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(app, log_level="warning", lifespan="off")
    await uvicorn.Server(config).serve(sockets=[listener])


asyncio.run(main())
