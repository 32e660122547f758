"""The manifests: valid by the schemas of Kubernetes, whole as kustomize builds them, and the same as Compose."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
from ruamel.yaml import YAML

from components.settings import TELEMETRY_OFF, Settings
from flows.stack.site import StackSettings
from tests.infra.compose import SERVICES, make_secrets, variables
from tests.places import REPOSITORY

FOLDER = REPOSITORY / "infra" / "kubernetes"
OLDEST, NEWEST = "1.30", "1.37"
BY_KUSTOMIZE = ("Kustomization", "Component")
Manifest = dict[str, Any]
TEXT = {"type": "string"}
POD_OF_RAY = {
    "type": "object",
    "additionalProperties": False,
    "required": ["rayStartParams", "template"],
    "properties": {"rayStartParams": {"additionalProperties": TEXT}, "template": {"required": ["metadata", "spec"]}},
}
REPLICAS = {name: {"type": "integer"} for name in ("replicas", "minReplicas", "maxReplicas")}
CUSTOM: dict[str, Manifest] = {
    "RayCluster": {
        "additionalProperties": False,
        "required": ["headGroupSpec"],
        "properties": {
            "rayVersion": TEXT,
            "headGroupSpec": POD_OF_RAY,
            "workerGroupSpecs": {
                "items": POD_OF_RAY
                | {"required": ["groupName", "template"]}
                | {"properties": POD_OF_RAY["properties"] | REPLICAS | {"groupName": TEXT}}
            },
        },
    },
    "ServiceMonitor": {
        "additionalProperties": False,
        "required": ["endpoints", "selector"],
        "properties": {
            "jobLabel": TEXT,
            "selector": {"required": ["matchLabels"]},
            "endpoints": {"items": {"properties": dict.fromkeys(("port", "interval"), TEXT)}},
        },
    },
    "PodMonitor": {
        "additionalProperties": False,
        "required": ["podMetricsEndpoints", "selector"],
        "properties": {
            "jobLabel": TEXT,
            "selector": {"required": ["matchLabels"]},
            "podMetricsEndpoints": {
                "items": {"additionalProperties": False, "properties": dict.fromkeys(("port", "interval"), TEXT)}
            },
        },
    },
    "PrometheusRule": {"additionalProperties": False, "required": ["groups"], "properties": {"groups": {}}},
}
"""What is used of the schemas of kinds that operators define: the whole ones are not ours to copy."""


def in_files() -> list[Manifest]:
    files = [file for file in sorted(FOLDER.rglob("*.yaml")) if file.name != "confined.yaml"]
    found = [manifest for file in files for manifest in YAML(typ="safe").load_all(file)]
    return [manifest for manifest in found if manifest["kind"] not in BY_KUSTOMIZE]


@pytest.fixture(scope="module")
def built() -> list[Manifest]:
    """The example as kustomize builds it."""
    known = {"kustomize": ["build"], "kubectl": ["kustomize"]}
    program = next((name for name in known if shutil.which(name)), None)
    if program is None:
        pytest.skip("Neither kustomize nor kubectl is here: https://kubectl.docs.kubernetes.io/installation/kustomize")
    done = subprocess.run([program, *known[program], FOLDER / "example"], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return list(YAML(typ="safe").load_all(done.stdout))


def check(manifest: Manifest) -> None:
    if schema := CUSTOM.get(manifest["kind"]):
        jsonschema.validate(manifest["spec"], schema)
        for template in templates([manifest]):
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "ray"}, "spec": template["spec"]}
            check(pod)
        return
    for version in (OLDEST, NEWEST):
        kubernetes_validate.validate(manifest, version, strict=True)


def templates(manifests: list[Manifest]) -> list[Manifest]:
    """What pods are made from."""
    found = []
    for manifest in manifests:
        spec = manifest.get("spec", {})
        if manifest["kind"] == "RayCluster":
            found += [spec["headGroupSpec"]["template"], *(group["template"] for group in spec["workerGroupSpecs"])]
        elif "template" in spec:
            found.append(spec["template"])
    return found


def containers(template: Manifest) -> list[Manifest]:
    return [*template["spec"].get("initContainers", ()), *template["spec"]["containers"]]


def named(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    return next(each for each in manifests if each["kind"] == kind and each["metadata"]["name"] == name)


@pytest.mark.parametrize("manifest", in_files(), ids=lambda each: f"{each['kind']} {each['metadata']['name']}")
def test_a_manifest_is_valid(manifest: Manifest) -> None:
    check(manifest)


def test_a_fault_is_found() -> None:
    deployment = named(in_files(), "Deployment", "serving")
    deployment["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        check(deployment)
    cluster = named(in_files(), "RayCluster", "ray")
    cluster["spec"]["workerGroupSpecs"][0]["template"]["spec"]["containers"][0]["imagee"] = "x"
    with pytest.raises(kubernetes_validate.ValidationError):
        check(cluster)


def test_what_kustomize_builds_is_valid_and_confined(built: list[Manifest]) -> None:
    for manifest in built:
        check(manifest)
    pods = templates(built)
    assert len(pods) == 8
    for template in pods:
        spec = template["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in containers(template):
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert "memory" in container["resources"]["limits"]
            assert ":" in container["image"].rsplit("/")[-1]


def test_what_kustomize_builds_names_only_what_there_is(built: list[Manifest], tmp_path: Path) -> None:
    folder = make_secrets(tmp_path)
    keys = {path.name: {file.name for file in path.iterdir()} for path in folder.iterdir()}
    maps = {each["metadata"]["name"] for each in built if each["kind"] == "ConfigMap"}
    claims = {each["metadata"]["name"] for each in built if each["kind"] == "PersistentVolumeClaim"}
    for template in templates(built):
        for volume in template["spec"].get("volumes", ()):
            if secret := volume.get("secret"):
                assert {item["key"] for item in secret.get("items", ())} <= keys[secret["secretName"]]
            assert volume.get("configMap", {}).get("name") in maps | {None}
            assert volume.get("persistentVolumeClaim", {}).get("claimName") in claims | {None}
        for container in containers(template):
            for variable in container.get("env", ()):
                if source := variable.get("valueFrom", {}).get("secretKeyRef"):
                    assert source["key"] in keys[source["name"]]
            assert {each["configMapRef"]["name"] for each in container.get("envFrom", ())} <= maps
            volumes = {each["name"] for each in template["spec"].get("volumes", ())} | {"data"}
            assert {each["name"] for each in container.get("volumeMounts", ())} <= volumes
    credentials = named(built, "ServiceMonitor", "serving")["spec"]["endpoints"][0]["authorization"]["credentials"]
    assert credentials["key"] in keys[credentials["name"]]


@pytest.mark.parametrize("name", ["mlflow", "prefect", "worker"])
def test_commands_and_variables_are_those_of_compose(name: str) -> None:
    container = named(in_files(), "Deployment", name)["spec"]["template"]["spec"]["containers"][0]
    assert container["args"] == SERVICES[name]["command"]
    given = {variable["name"] for variable in container["env"]}
    in_settings = {each for each, value in SERVICES[name].get("environment", {}).items() if value is None}
    of_one_host = {"TUNESMITH_DATASETS", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"}
    assert given ^ variables(name) <= in_settings | of_one_host | set(TELEMETRY_OFF)


@pytest.mark.parametrize("name", ["mlflow", "prefect", "worker"])
def test_values_are_those_of_compose_but_for_places(name: str) -> None:
    container = named(in_files(), "Deployment", name)["spec"]["template"]["spec"]["containers"][0]
    ours = {variable["name"]: variable["value"] for variable in container["env"] if "value" in variable}
    of_compose = SERVICES[name]["environment"]
    differing = {each for each in ours.keys() & of_compose.keys() if ours[each] != of_compose[each]}
    assert differing <= {"TUNESMITH_RAY_ADDRESS", "TUNESMITH_SERVERS", "TUNESMITH_SIGNING_KEY"}


def test_the_example_sets_settings_that_there_are(built: list[Manifest]) -> None:
    found = [each["data"] for each in built if each["kind"] == "ConfigMap" and "TUNESMITH_MODEL" in each["data"]]
    assert found
    assert set(found[0]) <= {f"TUNESMITH_{name.upper()}" for name in Settings.model_fields}


def test_ports_probes_and_scaling_of_the_service() -> None:
    deployment = named(in_files(), "Deployment", "serving")
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    assert container["ports"] == [{"name": "http", "containerPort": Settings().port}]
    paths = {kind: container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness", "readiness")}
    assert paths == {"startup": "/livez", "liveness": "/livez", "readiness": "/readyz"}
    assert "replicas" not in deployment["spec"]
    scaler = named(in_files(), "HorizontalPodAutoscaler", "serving")["spec"]
    assert scaler["minReplicas"] >= 2
    assert container["resources"]["requests"]["cpu"]
    budget = named(in_files(), "PodDisruptionBudget", "serving")["spec"]
    assert budget["selector"]["matchLabels"] == deployment["spec"]["selector"]["matchLabels"]


def test_prometheus_finds_the_measures_of_the_flows_and_may_ask_for_them() -> None:
    template = named(in_files(), "Deployment", "worker")["spec"]["template"]
    (port,) = template["spec"]["containers"][0]["ports"]
    given = {each["name"]: each.get("value") for each in template["spec"]["containers"][0]["env"]}
    assert given["TUNESMITH_FLOWS_PORT"] == str(port["containerPort"]) == str(StackSettings().flows_port)
    monitor = named(in_files(), "PodMonitor", "worker")["spec"]
    assert [each["port"] for each in monitor["podMetricsEndpoints"]] == [port["name"]]
    policy = named(in_files(), "NetworkPolicy", "worker-measures")["spec"]
    assert policy["ingress"][0]["ports"] == [{"port": port["containerPort"]}]
    labels = template["metadata"]["labels"].items()
    for selector in (monitor["selector"], policy["podSelector"]):
        assert selector["matchLabels"].items() <= labels


def test_a_job_is_gone_before_the_next_release() -> None:
    jobs = [each for each in in_files() if each["kind"] == "Job"]
    assert jobs
    for job in jobs:  # its template, with the image's tag, is immutable
        assert job["spec"]["ttlSecondsAfterFinished"] <= 3600, job["metadata"]["name"]


def test_the_rules_are_those_that_promtool_judged() -> None:
    rules = YAML(typ="safe").load(REPOSITORY / "infra" / "prometheus" / "rules.yml")
    assert named(in_files(), "PrometheusRule", "tunesmith")["spec"] == rules, "They differ: make manifests"


def test_ray_in_the_cluster_is_the_one_of_the_image() -> None:
    pins = (REPOSITORY / "constraints.txt").read_text().splitlines()
    version = next(line.split("==")[1].split()[0] for line in pins if line.startswith("ray=="))
    assert named(in_files(), "RayCluster", "ray")["spec"]["rayVersion"] == version
