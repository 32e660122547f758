# The server as an image: no torch, Lightning, Ray, DVC or Prefect in it.
#
#   docker build -f infra/serving.Dockerfile -t tunesmith-serving .
#   docker run -p 3000:3000 -v ./trusted:/etc/tunesmith/trusted:ro -v ./api-keys:/etc/tunesmith/api-keys:ro \
#     -e TUNESMITH_MODEL=fashion-mnist -e TUNESMITH_TRACKING_URI=http://mlflow:5000 tunesmith-serving
FROM python:3.11-slim-bookworm AS build
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY components components
COPY flows flows
COPY serving serving
RUN python -m venv /opt/tunesmith \
    && /opt/tunesmith/bin/pip install --no-cache-dir --constraint constraints.txt '.[serving]'

FROM python:3.11-slim-bookworm
RUN useradd --uid 10001 --create-home --home-dir /var/lib/tunesmith tunesmith
COPY --from=build /opt/tunesmith /opt/tunesmith
COPY infra/bin/with-secrets /usr/local/bin/
USER 10001
WORKDIR /var/lib/tunesmith
# Inside a container loopback would be heard by nobody; what is published is the host's choice.
# What hadolint takes for secrets are the folders that they are mounted at.
# hadolint ignore=DL3064
ENV PATH=/opt/tunesmith/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    TUNESMITH_API_KEYS=/etc/tunesmith/api-keys \
    TUNESMITH_HOME=/var/lib/tunesmith \
    TUNESMITH_HOST=0.0.0.0 \
    TUNESMITH_PORT=3000 \
    TUNESMITH_TRUSTED_KEYS=/etc/tunesmith/trusted
EXPOSE 3000
# Alive, not ready: a server without a champion waits for one, and must not be started again for that.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f\"http://127.0.0.1:{os.environ['TUNESMITH_PORT']}/livez\", timeout=4)"]
ENTRYPOINT ["with-secrets", "python", "-m", "serving"]
