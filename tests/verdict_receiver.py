"""A receiver of verdicts for tests: HTTP on loopback, in a process of its own, standard library only.

    python tests/verdict_receiver.py PORT LOG [--lose-answers N] [--delay S] [--status N]

It remembers keys in LOG, across its own restarts: "effect" is written once for a key, "again" when it comes again.
"""

import argparse
import http.server
import json
import threading
import time
from pathlib import Path


class Receiver(http.server.BaseHTTPRequestHandler):
    options: argparse.Namespace
    lock = threading.Lock()
    lost = 0

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key = self.headers["Idempotency-Key"]
        with self.lock:
            log = Path(self.options.log)
            known = [json.loads(line)["key"] for line in log.read_text().splitlines()] if log.exists() else []
            what = "again" if key in known else "effect"
            with log.open("a") as file:
                file.write(json.dumps({"what": what, "key": key, "message": message}) + "\n")
        time.sleep(self.options.delay)
        if Receiver.lost < self.options.lose_answers:
            Receiver.lost += 1
            return  # the connection closes without an answer
        self.send_response(self.options.status)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("log")
    parser.add_argument("--lose-answers", type=int, default=0)
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--status", type=int, default=200)
    Receiver.options = parser.parse_args()
    http.server.ThreadingHTTPServer.daemon_threads = True
    http.server.ThreadingHTTPServer(("127.0.0.1", Receiver.options.port), Receiver).serve_forever()
