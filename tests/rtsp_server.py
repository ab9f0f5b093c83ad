"""A network camera for tests: RTSP on loopback, in a process of its own, for Debian's Python and GStreamer.

    /usr/bin/python3 tests/rtsp_server.py PORT [--codec jpeg|h264] [--pattern NAME] [--size WxH] [--then WxH]

It shows a drawn pattern (GStreamer's names: red, ball, smpte); with --then it changes its resolution every second.
Without Debian's packages it ends with exit code 77.
"""

import argparse
import sys

try:
    import gi

    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstRtspServer
except (ImportError, ValueError) as error:
    print(f"no RTSP server here: {error}", file=sys.stderr)
    sys.exit(77)

FRAMES_PER_S = 25
ENCODERS = {
    "jpeg": ("jpegenc quality=95", "rtpjpegpay"),
    "h264": ("x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10", "rtph264pay config-interval=-1"),
}


class Camera(GstRtspServer.RTSPMediaFactory):
    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__()
        self._options = options
        self.set_shared(True)
        encoder, payloader = ENCODERS[options.codec]
        self.set_launch(
            f"( videotestsrc is-live=true pattern={options.pattern} ! capsfilter name=size caps={caps(options.size)}"
            f" ! {encoder} ! {payloader} name=pay0 pt=96 )"
        )

    def do_configure(self, media: GstRtspServer.RTSPMedia) -> None:
        GstRtspServer.RTSPMediaFactory.do_configure(self, media)
        if self._options.then:
            sizes, size = [self._options.then, self._options.size], media.get_element().get_by_name("size")

            def change() -> bool:
                size.set_property("caps", Gst.Caps.from_string(caps(sizes[0])))
                sizes.reverse()
                return True

            GLib.timeout_add(1000, change)


def caps(size: str) -> str:
    width, height = size.split("x")
    return f"video/x-raw,format=I420,width={width},height={height},framerate={FRAMES_PER_S}/1"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("port")
    parser.add_argument("--codec", choices=ENCODERS, default="jpeg")
    parser.add_argument("--pattern", default="ball")
    parser.add_argument("--size", default="320x240")
    parser.add_argument("--then", default="")
    given = parser.parse_args()
    Gst.init(None)
    server = GstRtspServer.RTSPServer(address="127.0.0.1", service=given.port)
    server.get_mount_points().add_factory("/video", Camera(given))
    if server.attach(None) == 0:
        sys.exit(f"port {given.port} is taken")
    GLib.MainLoop().run()
