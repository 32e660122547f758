"""What a request is called, and how many of them are being answered from a version."""

import re
import time

REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
WAIT_SECONDS = 0.005


class Requests:
    """Counts them. Counted in the event loop's thread, looked at from others."""

    def __init__(self) -> None:
        self._count = 0

    def begin(self) -> None:
        """A request is answered from the version from now on."""
        self._count += 1

    def end(self) -> None:
        """Its answer has been sent, or its client has gone."""
        self._count -= 1

    def wait_for_none(self, seconds: float) -> bool:
        """Returns once there is none, or after so many seconds; says which of them it was."""
        until = time.monotonic() + seconds
        while self._count:
            if time.monotonic() > until:
                return False
            time.sleep(WAIT_SECONDS)
        return True
