"""``python -m flows.stack.page_server FOLDER PORT``: gives the files of one folder away, on loopback alone."""

import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

from flows.ports import LOOPBACK


class Handler(SimpleHTTPRequestHandler):
    """Writes no line for a request that was answered."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Says nothing."""


def main() -> None:
    """Serves until it is ended."""
    folder, port = sys.argv[1:]
    ThreadingHTTPServer((LOOPBACK, int(port)), partial(Handler, directory=folder)).serve_forever()


if __name__ == "__main__":
    main()
