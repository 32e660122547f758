"""Tables of real data that every environment of the line holds already: texts in two classes, and rows of numbers."""

import ast
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from sklearn.datasets import load_breast_cancer

LIBRARIES = {"graphs": "networkx", "databases": "sqlalchemy"}
"""Subject, and the library whose docstrings are about it."""
TEXTS_OF_A_SUBJECT = 1000
SHORTEST = 30


def write_docstrings(folder: Path) -> None:
    """``docstrings.csv``: first paragraphs of docstrings without the library's name, and what the library is about."""
    texts = pd.DataFrame(
        {"text": text, "subject": subject} for subject, library in LIBRARIES.items() for text in _sample(library)
    )
    folder.mkdir(parents=True)
    texts.to_csv(folder / "docstrings.csv", index=False)


def _sample(library: str) -> list[str]:
    """Evenly spaced in the alphabet; the same in every run with the same version of the library."""
    found = sorted({text for text in _paragraphs(library) if len(text) >= SHORTEST})
    return found[:: max(1, len(found) // TEXTS_OF_A_SUBJECT)][:TEXTS_OF_A_SUBJECT]


def _paragraphs(library: str) -> Iterator[str]:
    specification = importlib.util.find_spec(library)
    assert specification and specification.origin
    name = re.compile(library, re.IGNORECASE)
    for file in Path(specification.origin).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                paragraph = (ast.get_docstring(node) or "").partition("\n\n")[0]
                yield " ".join(name.sub("", paragraph).split())


def write_nuclei(folder: Path) -> None:
    """``nuclei.csv``: the mean area of cell nuclei in 569 biopsies, other measures of them, and the diagnosis.

    Source: Street, Wolberg, Mangasarian 1993, doi:10.1117/12.148698, as scikit-learn ships it.
    """
    biopsies = load_breast_cancer(as_frame=True)
    measures = {f"mean {name}": name for name in ("radius", "texture", "smoothness", "concavity", "area")}
    table = biopsies.data[[*measures]].rename(columns=measures)
    folder.mkdir(parents=True)
    table.assign(diagnosis=biopsies.target_names[biopsies.target]).to_csv(folder / "nuclei.csv", index=False)
