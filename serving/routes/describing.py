"""What this server is, and what it serves."""

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from serving.metrics import CONTENT_TYPE
from serving.model import ServedModel
from serving.openapi import document
from serving.routes.asking import admitted, worker_of
from serving.routes.page import page, wants_page
from serving.worker import Worker

ROUTES = {
    "POST /predict": "one sample; ?top=3 tells of the three most probable classes alone",
    "POST /predict_batch": 'several samples: a JSON list under "inputs"; of images also the files of a form, or .npy',
    "POST /explain": "one sample, and what of it the answer was given for",
    "POST /feedback": 'what an answer should have been: {"request_id": …, "label": …}, or "value" of a number',
    "GET /card": "the version that answers, what it takes and gives, and its model card",
    "GET /model": "the version that answers, what the last look at the registry gave, and all workers",
    "GET /openapi.json": "what may be asked, and is answered, as OpenAPI 3.1",
    "GET /readyz": "200 once a version answers",
    "GET /livez": "200 while the process lives",
    "GET /metrics": "for Prometheus",
}


async def index(request: Request) -> Response:
    """The page for a browser; for everybody else what this server is, and where to ask."""
    if wants_page(request):
        return await page(request)
    worker = worker_of(request)
    served = worker.follower.model
    takes = {"takes": served.decoder.takes} if served else {}
    answer = {"service": "tunesmith", "model": worker.name, **takes, "routes": ROUTES}
    return JSONResponse(answer, headers={"Vary": "Accept"})


async def openapi(request: Request) -> Response:
    """This surface as OpenAPI, for the version that answers now."""
    worker = admitted(request, "predict")
    return JSONResponse(document(worker.follower.require_model(), worker.settings, keys=worker.access.asks_for_keys))


async def card(request: Request) -> Response:
    """The version that answers, for who may ask it."""
    worker = admitted(request, "predict")
    served = worker.follower.require_model()
    more = {"explains": served.explainer.method, "feedback": worker.settings.log_predictions, "card": served.card}
    return JSONResponse({"name": worker.name, **_described(served), **more})


async def model(request: Request) -> Response:
    """The version that answers, and what came of following."""
    worker = admitted(request, "admin")
    following = worker.follower.following
    return JSONResponse(
        {
            "name": worker.name,
            **_described(worker.follower.model),
            "following": {
                "registry": worker.registry.address,
                "looked": following.looked,
                "error": following.error,
                "rejected": following.rejected,
            },
            "challenger": _challenger(worker),
            "workers": worker.states.workers().model_dump(mode="json"),
        }
    )


def _challenger(worker: Worker) -> dict[str, Any]:
    """What the version that was registered last does in this worker."""
    challenger, returned = worker.challenger, worker.canary.returned
    return {
        "version": challenger.model.version if challenger.model else None,
        "shadow_share": worker.settings.shadow_share,
        "canary_share": challenger.canary_share,
        "returned": returned and {"version": returned.version, "reason": returned.reason},
        "compared": _compared(worker),
        "error": challenger.fault,
    }


def _compared(worker: Worker) -> bool:
    """Whether champion and challenger read the same array, so that both can answer it."""
    champion, challenger = worker.follower.model, worker.challenger.model
    return bool(champion and challenger and champion.reading == challenger.reading)


def _described(served: ServedModel | None) -> dict[str, Any]:
    if served is None:
        return {"version": None}
    signature = served.signature
    return {
        "version": served.version,
        "digest": served.digest,
        "since": served.since,
        "task": signature.task,
        "takes": served.decoder.takes,
        "inputs": signature.inputs.model_dump(mode="json"),
        "target": signature.target.model_dump(mode="json"),
    }


async def metrics(request: Request) -> Response:
    """All workers' measures."""
    return Response(await asyncio.to_thread(admitted(request, "admin").metrics.exposition), media_type=CONTENT_TYPE)
