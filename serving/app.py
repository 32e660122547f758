"""The application: which route answers what, and how what goes wrong is told."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from serving.errors import RequestError, encodable
from serving.instrument import Instrumented
from serving.routes.correcting import feedback
from serving.routes.describing import card, index, metrics, model, openapi
from serving.routes.explaining import explain
from serving.routes.page import part
from serving.routes.predicting import predict, predict_batch


async def _refused(request: Request, error: Exception) -> Response:
    if isinstance(error, RequestError):
        return _error(request, error.status, str(error), error.headers)
    if isinstance(error, ClientDisconnect):
        return Response(status_code=499)  # nobody hears it; the metrics count it
    if isinstance(error, HTTPException):  # Starlette's own: no such route, or not with this method
        sentence = f"{request.method} {request.url.path[:100]} is not answered here; GET / lists what is."
        return _error(request, error.status_code, sentence, dict(error.headers or {}))
    return _error(request, 500, "The server failed; its log says why under this request id.", {})


def _error(request: Request, status: int, sentence: str, headers: dict[str, str]) -> Response:
    content = {"error": encodable(sentence), "request_id": request.state.request_id}
    return JSONResponse(content, status_code=status, headers=headers)


def build_app() -> Instrumented:
    """The application; answers nothing before ``app.state.worker`` is set."""
    app = Starlette(
        routes=[
            Route("/", index),
            Route("/page/{name}", part),
            Route("/card", card),
            Route("/model", model),
            Route("/openapi.json", openapi),
            Route("/metrics", metrics),
            Route("/predict", predict, methods=["POST"]),
            Route("/predict_batch", predict_batch, methods=["POST"]),
            Route("/explain", explain, methods=["POST"]),
            Route("/feedback", feedback, methods=["POST"]),
        ],
        exception_handlers=dict.fromkeys((RequestError, ClientDisconnect, HTTPException, Exception), _refused),
    )
    return Instrumented(app)
