"""Writes the rules as the custom resource of Prometheus' operator: ``python infra/prometheus/manifest.py``."""

from pathlib import Path

from ruamel.yaml import YAML

RULES = Path(__file__).with_name("rules.yml")
MANIFEST = RULES.parents[1] / "kubernetes" / "monitoring" / "prometheus-rule.yaml"


def main() -> None:
    """Writes the manifest."""
    yaml = YAML()
    yaml.width = 120
    rules = yaml.load(RULES)
    head = {"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule", "metadata": {"name": "tunesmith"}}
    with MANIFEST.open("w", encoding="utf-8") as file:
        file.write("# infra/prometheus/rules.yml, written by `make manifests`.\n")
        yaml.dump(head | {"spec": {"groups": rules["groups"]}}, file)


if __name__ == "__main__":
    main()
