"""The same graph behind other servers: ``python -m benchmarks.serving_rivals NAME GRAPH PORT``.

``pydantic``: FastAPI, the array as a field of a model. ``raw``: FastAPI, the bytes of the array as the body, answered
inline: no batching, no validation but that of the size. LitServe is in :mod:`benchmarks.serving_litserve`.
"""

import io
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import uvicorn
from fastapi import FastAPI, Request
from numpy.typing import NDArray
from pydantic import BaseModel

from components.inference import open_graph

CLASSES = 10


def answerer(graph: str) -> Callable[[NDArray[np.uint8]], list[list[float]]]:
    """Answers samples on one thread."""
    from pathlib import Path

    session = open_graph(Path(graph))

    def answer(samples: NDArray[np.uint8]) -> list[list[float]]:
        probabilities: list[list[float]] = session.run(["probabilities"], {"inputs": samples})[0].tolist()
        return probabilities

    return answer


def said(shares: list[float]) -> dict[str, Any]:
    """An answer like this server's own."""
    best = max(range(CLASSES), key=shares.__getitem__)
    probabilities = {f"class {number}": share for number, share in enumerate(shares)}
    return {"label": f"class {best}", "confidence": shares[best], "probabilities": probabilities}


class Sample(BaseModel):
    """One image as JSON."""

    inputs: list[list[list[int]]]


def pydantic_app(graph: str) -> FastAPI:
    """FastAPI with a model of the body."""
    app, answer = FastAPI(), answerer(graph)

    @app.post("/predict")
    async def predict(sample: Sample) -> dict[str, Any]:
        return said(answer(np.array([sample.inputs], np.uint8))[0])

    return app


def raw_app(graph: str) -> FastAPI:
    """FastAPI with the plain body."""
    app, answer = FastAPI(), answerer(graph)

    @app.post("/predict")
    async def predict(request: Request) -> dict[str, Any]:
        return said(answer(np.load(io.BytesIO(await request.body()), allow_pickle=False)[None])[0])

    return app


def main(name: str, graph: str, port: int) -> None:
    """Serves until it is ended."""
    app = {"pydantic": pydantic_app, "raw": raw_app}[name](graph)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", access_log=False)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
