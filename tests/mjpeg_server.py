"""A network camera for tests: HTTP MJPEG on loopback, in a process of its own, standard library and OpenCV only.

    python tests/mjpeg_server.py PORT [--frozen] [--resize-after N] [--cut-after N] PICTURE...

The pictures go round; a corner of each flickers, as a sensor's noise would, unless --frozen.
"""

import argparse
import http.server
import itertools
import time

import cv2
import numpy as np

FRAMES_PER_S = 25


class Camera(http.server.BaseHTTPRequestHandler):
    options: argparse.Namespace

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        try:
            for number, path in enumerate(itertools.cycle(self.options.pictures)):
                image = cv2.imread(path)
                if not self.options.frozen:
                    # Enough to survive JPEG, too little to be a defect.
                    image[:8, :8] = np.clip(image[:8, :8].astype(int) + number % 5 - 2, 0, 255)
                if 0 < self.options.resize_after <= number:
                    image = cv2.resize(image, None, fx=0.5, fy=0.5)
                jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 98])[1].tobytes()
                if 0 < self.options.cut_after <= number:
                    jpeg = jpeg[: len(jpeg) // 2]
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                self.wfile.write(head.encode() + jpeg + b"\r\n")
                time.sleep(1 / FRAMES_PER_S)
        except OSError:
            pass  # the viewer has gone

    def log_message(self, *args: object) -> None:
        pass


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--frozen", action="store_true")
    parser.add_argument("--resize-after", type=int, default=0)
    parser.add_argument("--cut-after", type=int, default=0)
    parser.add_argument("pictures", nargs="+")
    Camera.options = parser.parse_args()
    http.server.ThreadingHTTPServer.daemon_threads = True
    http.server.ThreadingHTTPServer(("127.0.0.1", Camera.options.port), Camera).serve_forever()
