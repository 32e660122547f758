"""Downloads over HTTP, with short timeouts and no more bytes than there may be."""

from pathlib import Path

import httpx

from components.errors import DataError
from components.progress import progress

CONNECT_SECONDS, READ_SECONDS = 4.0, 15.0
PIECE = 2**16


def download(addresses: dict[str, int], folder: Path) -> Path:
    """Downloads files into a folder, each under the last part of its address.

    Args:
        addresses: each with the most bytes that it may give.
        folder: where they are put.

    Returns:
        The folder.

    Raises:
        DataError: an address cannot be reached, or gives an error, or too much.
    """
    timeout = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
    try:
        with httpx.Client(timeout=timeout) as client:
            for address, largest in addresses.items():
                _stream(client, address, folder / address.rpartition("/")[2], largest)
    except httpx.HTTPError as error:
        raise DataError(f"it cannot be reached: {error or type(error).__name__}.") from None
    return folder


def _stream(client: httpx.Client, address: str, target: Path, largest: int) -> None:
    with client.stream("GET", address) as answer, target.open("wb") as file:
        answer.raise_for_status()
        size = int(answer.headers.get("content-length", largest))
        with progress(f"downloading {target.name}", size) as advance:
            for piece in answer.iter_raw(PIECE):
                file.write(piece)
                advance(len(piece))
                if file.tell() > largest:
                    raise DataError(f"{target.name} is larger than it may be ({largest} bytes).")
