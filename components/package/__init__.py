"""The model package: what leaves the line, and what a server takes. Free of pickle, sealed by a signed manifest."""

from components.package.manifest import seal, verify
from components.package.model import GoldenBatch, ModelPackage, ModelSignature, Provenance

__all__ = ["GoldenBatch", "ModelPackage", "ModelSignature", "Provenance", "seal", "verify"]
