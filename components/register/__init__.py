"""Registration: what the line made becomes a sealed package, and a version of the registry called ``challenger``.

Not a stage of dvc.yaml: a version cannot be taken back by running something again. Reads ``dvc.lock``, the outputs of
train, compress and evaluate, the profile of validate, and the records of ingest and prepare; writes
``models/package``, the registry, and the MLflow run of the training. Guarantees: a version appears only when its
package lies whole in the artifact store; the same ``dvc.lock`` is registered once; what went into a package is what
``dvc.lock`` says was made, or, of the two records, what it says that the later stages have read.
"""

from components.register.registration import Registered, register

__all__ = ["Registered", "register"]
