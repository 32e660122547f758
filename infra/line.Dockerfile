# The line as an image: trainings, sweeps and flows, and the servers of MLflow, Prefect and Ray.
#
#   docker build -f infra/line.Dockerfile -t tunesmith-line .
#
# It holds the environment. The code is that of /workspace, where a checkout must be mounted: the line keeps its data,
# its cache and its lineage in the repository that it runs in.
FROM python:3.11-slim-bookworm AS build
# PyPI's torch brings CUDA. Without a GPU: --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cpu
ARG TORCH_INDEX=""
# With DVC's remotes and MLflow's files on S3: --build-arg EXTRAS=line,s3
ARG EXTRAS=line
WORKDIR /workspace
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY components components
COPY flows flows
COPY serving serving
# Editable: what is installed is the way to /workspace, and every command runs the code that is there.
RUN python -m venv /opt/tunesmith \
    && /opt/tunesmith/bin/pip install --no-cache-dir ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} \
        --constraint constraints.txt --editable ".[$EXTRAS]"

FROM python:3.11-slim-bookworm
# Debian keeps the newest patch of a package alone, so a pinned one cannot be had next month.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home --home-dir /var/lib/tunesmith tunesmith \
    && install --directory --owner tunesmith --group tunesmith /workspace /artifacts /prefect \
    && git config --system --add safe.directory /workspace \
    && git config --system --add safe.directory /source.git
COPY --from=build /opt/tunesmith /opt/tunesmith
COPY infra/bin/ /usr/local/bin/
USER 10001
WORKDIR /workspace
ENV PATH=/opt/tunesmith/bin:$PATH \
    PYTHONUNBUFFERED=1
ENTRYPOINT ["tini", "--", "with-secrets"]
