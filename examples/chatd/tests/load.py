#!/usr/bin/env python3
"""chatd under clients that are many, slow, or gone, and agents that fail at length.

    cargo build --release -p chatd --features live-bytes && python3 examples/chatd/tests/load.py [target/release/chatd]

For each load it prints how long the status of another session takes meanwhile (one connection per request, as curl does),
the bytes that the daemon has allocated before the load and after the clients have left, and the resident size beside them.
Then it sends SIGTERM and prints how long the daemon takes to end. The last line lists what exceeds its bound: a p99 of
100 ms, 20 % more live bytes than before, the drain time. Each load runs twice, and the second run counts: the first fills
what the daemon keeps for good. glibc keeps freed memory for later, so the resident size is printed and not judged.
It needs Linux and Python's standard library.
"""

import json
import multiprocessing as mp
import os
import re
import resource
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

P99 = 0.100
LIVE = 1.20
DRAIN = 10
READERS, SLOW, ABSENT, ERRORS = 2000, 500, 20_000, 8


def agent():
    """In pi's place: answers with what it is told, word by word; `error` is one of 20 MB."""
    session = sys.argv[sys.argv.index("--session-id") + 1]

    def write(**line):
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()

    def end(**message):
        write(type="message_end", message={"role": "assistant", "content": [], "stopReason": "stop", **message})
        write(type="agent_settled")

    for line in sys.stdin:
        command = json.loads(line)
        done = {"type": "response", "id": command.get("id"), "command": command["type"], "success": True}
        if command["type"] == "get_state":
            done["data"] = {"sessionId": session}
        write(**done)
        if command["type"] != "prompt":
            continue
        write(type="agent_start")
        if command["message"] == "error":
            end(stopReason="error", errorMessage="E" * (20 << 20))
            continue
        for word in command["message"].split():
            write(type="message_update", assistantMessageEvent={"type": "text_delta", "delta": word + " "})
            time.sleep(0.02)
        end(content=[{"type": "text", "text": "done"}])


class Chatd:
    def __init__(self, program):
        self.folder = tempfile.mkdtemp(prefix="chatd-load-")
        this = os.path.abspath(__file__)
        command = [program, "--listen", "127.0.0.1:0", "--agent", "pi", "--drain", str(DRAIN), "--pi-session-dir", self.folder]
        command += ["--pi-program", sys.executable, "--pi-arg", this]
        pipe = subprocess.PIPE
        self.count = os.path.join(self.folder, "live")
        environment = {**os.environ, "CHATD_LOG": "warn,chatd=info", "CHATD_LIVE_BYTES": self.count}
        # Standard error is never read: what is logged must not hold anything.
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment)
        first = self.process.stdout.readline().decode()
        self.port = int(re.search(r":(\d+)\s*$", first).group(1))
        self.await_count()

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def ask(self, method, path, body=None):
        """The status and the body."""
        with self.connect() as connection:
            connection.sendall(request(method, path, body))
            answer = b""
            while more := connection.recv(65536):
                answer += more
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head[9:12] or 0), body

    def say(self, key, message):
        return self.ask("POST", f"/sessions/{key}/messages", {"message": message})

    def await_count(self):
        until = time.monotonic() + 10
        while time.monotonic() < until:
            try:
                with open(self.count) as count:
                    if (line := count.read()).endswith("\n"):
                        return int(line) / 2**20
            except FileNotFoundError:
                pass
            time.sleep(0.01)
        sys.exit("CANNOT RUN load.py: chatd was built without the feature live-bytes")

    def live(self):
        """MB that are allocated."""
        os.remove(self.count)
        self.process.send_signal(signal.SIGUSR1)
        return self.await_count()

    def resident(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1)) / 1024

    def files(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def end(self):
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
        return time.monotonic() - began


def request(method, path, body=None):
    text = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    if body is None:
        return (text + "\r\n").encode()
    data = json.dumps(body)
    return f"{text}Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n{data}".encode()


def probe(chatd, stop, results):
    """A process of its own: asks for the status of a session that has nothing to do with the load."""
    times, failed, most = [], 0, 0.0
    while not stop.is_set():
        began = time.monotonic()
        try:
            status, _ = chatd.ask("GET", "/sessions/other")
        except OSError:
            status = 0
        times.append(time.monotonic() - began)
        failed += status != 200
        most = max(most, chatd.resident())
        time.sleep(0.01)
    times.sort()
    at = lambda share: times[min(len(times) - 1, int(len(times) * share))]
    results.put((len(times), failed, at(0.5), at(0.99), times[-1], most))


def talk(chatd, stop):
    """Eight sessions that speak, so that there is something to see."""
    message = {"message": " ".join(["word"] * 50), "detach": True}
    while not stop.is_set():
        for number in range(8):
            chatd.ask("POST", f"/sessions/talks-{number}/messages", message)
        stop.wait(0.5)


def feed_readers(chatd):
    """Reads of the feed as fast as it comes; every twentieth reads nothing."""
    selector, seen = selectors.DefaultSelector(), 0
    stop = mp.Event()
    talker = mp.Process(target=talk, args=(chatd, stop), daemon=True)
    readers = []
    for number in range(READERS):
        reader = chatd.connect()
        reader.sendall(request("GET", "/events"))
        reader.setblocking(False)
        readers.append(reader)
        if number % 20:
            selector.register(reader, selectors.EVENT_READ)
    talker.start()
    until = time.monotonic() + 10
    while time.monotonic() < until:
        for key, _ in selector.select(0.1):
            try:
                seen += len(key.fileobj.recv(1 << 18))
            except BlockingIOError:
                pass
    stop.set()
    talker.join()
    for reader in readers:
        reader.close()
    return f"{seen / 10 / 2**20:.1f} MB/s read"


def slow_heads(chatd):
    """A byte a second, for longer than a head may take."""
    head = b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 100
    connections = [chatd.connect() for _ in range(SLOW)]
    for byte in head[:15]:
        still = []
        for connection in connections:
            try:
                connection.sendall(bytes([byte]))
                still.append(connection)
            except OSError:
                connection.close()
        connections = still
        time.sleep(1)
    for connection in connections:
        connection.close()
    return f"{len(connections)} of {SLOW} open after 15 s"


def held_output(chatd):
    """What is typed is answered at length on an output that nobody reads."""
    typed = chatd.process.stdin.fileno()
    os.set_blocking(typed, False)
    written, until = 0, time.monotonic() + 3
    while time.monotonic() < until:
        try:
            written += os.write(typed, b"/use " + b"y" * 120 + b"\n/status\n/help\n")
        except BlockingIOError:
            time.sleep(0.05)
    return f"{written >> 10} KB typed"


def absent_names(chatd):
    """DELETEs by clients that leave at once."""
    for number in range(ABSENT):
        with chatd.connect() as connection:
            connection.sendall(request("DELETE", f"/sessions/n{number}-{'x' * 100}"))
    began = time.monotonic()
    status, _ = chatd.say(f"fresh-{time.monotonic_ns()}", "hello")
    return f"then a new session answers {status} in {time.monotonic() - began:.1f} s"


def long_errors(chatd):
    """Sessions that fail with 20 MB, while five clients watch."""
    readers = [chatd.connect() for _ in range(5)]
    for reader in readers:
        reader.sendall(request("GET", "/events"))
    for number in range(ERRORS):
        chatd.say(f"fails-{number}", "error")
    size = len(chatd.ask("GET", "/sessions")[1])
    for reader in readers:
        reader.close()
    for number in range(ERRORS):
        chatd.ask("DELETE", f"/sessions/fails-{number}")
    return f"{size} bytes of GET /sessions"


def measure(chatd, load):
    before, live_before, files = chatd.resident(), chatd.live(), chatd.files()
    stop, results = mp.Event(), mp.Queue()
    prober = mp.Process(target=probe, args=(chatd, stop, results), daemon=True)
    prober.start()
    try:
        remark = load(chatd)
    except OSError as error:
        remark = f"given up: {error}"
    stop.set()
    count, failed, middle, p99, longest, most = results.get()
    prober.join()
    # Until what the clients have left behind is gone.
    until = time.monotonic() + 20
    while chatd.files() > files and time.monotonic() < until:
        time.sleep(0.1)
    while (live_after := chatd.live()) > LIVE * live_before and time.monotonic() < until:
        time.sleep(0.5)
    after = chatd.resident()
    if failed:
        remark += f"; {failed} requests failed"
    print(
        f"| {load.__name__.replace('_', ' ')} | {count} | {middle * 1e3:.1f} | {p99 * 1e3:.1f} | {longest * 1e3:.1f} "
        f"| {live_before:.2f} | {live_after:.2f} | {before:.0f} | {most:.0f} | {after:.0f} | {remark} |",
        flush=True,
    )
    return live_before, live_after, p99, failed


def main():
    program = sys.argv[1] if len(sys.argv) > 1 else "target/release/chatd"
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    chatd = Chatd(program)
    beyond = []
    try:
        chatd.say("other", "hello")
        print(f"{program}, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}\n")
        print("| load | statuses | p50 ms | p99 ms | longest ms | live MB before | after | resident MB before | most | after | |")
        print("|---|---|---|---|---|---|---|---|---|---|---|")
        for load in (slow_heads, feed_readers, absent_names, long_errors, held_output):
            measure(chatd, load)
            before, after, p99, failed = measure(chatd, load)
            if p99 > P99 or failed:
                beyond.append(f"{load.__name__}: p99 {p99 * 1e3:.0f} ms, {failed} failed")
            if after > LIVE * before:
                beyond.append(f"{load.__name__}: {before:.2f} MB live before, {after:.2f} MB after")
    finally:
        took = chatd.end()
    print(f"\nended in {took:.1f} s, with {chatd.process.returncode}")
    if took > DRAIN:
        beyond.append(f"the end took {took:.1f} s")
    print("beyond the bounds:", "; ".join(beyond) or "nothing")
    sys.exit(bool(beyond))


if __name__ == "__main__":
    agent() if "--session-id" in sys.argv else main()
