"""From the ingested tables and the champion to verdict, profile and report."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from pydantic import ValidationError

from components.contracts import (
    CHAMPION,
    INGESTED,
    QUARANTINE,
    REPORTS,
    SAMPLES,
    VALIDATED,
    ChampionRef,
    Ingested,
    Verdict,
)
from components.data_profile import DataProfile, drift
from components.errors import DataError, ValidationFailed
from components.files import file_sha256, whole_folder, write_json
from components.package.model import PROFILE
from components.params import Params
from components.settings import Settings
from components.validate.tables import tables

if TYPE_CHECKING:
    from components.validate.checking import Check, Checked

REPORT = REPORTS / "validate"


def run(params: Params, settings: Settings) -> None:
    """Fills ``data/validated`` and ``reports/validate``.

    Raises:
        ValidationFailed: an expectation does not hold.
        DataError: the champion's package holds no profile of its data.
    """
    from components.validate.checking import check  # Great Expectations takes seconds to import
    from components.validate.expectations import expectations

    shutil.rmtree(VALIDATED, ignore_errors=True)  # an earlier verdict must not outlive a failure
    samples, ingested = pd.read_parquet(SAMPLES), Ingested.read(INGESTED / "ingested.json")
    champion, before = champion_profile(CHAMPION)
    drifts = drift(samples, before) if before else {}
    derived = tables(samples, len(pd.read_parquet(QUARANTINE)), ingested, drifts)
    checked = check(derived, expectations(params.validate_, ingested, drifts))
    compared = f"compared with the data of champion version {champion}" if before else "no champion to compare with"
    write_report(checked, f"{len(samples)} samples; {compared}.")
    failed = [each for each in checked.checks if not each.holds]
    if failed:
        raise ValidationFailed(message(failed, len(checked.checks)))
    with whole_folder(VALIDATED) as folder:
        DataProfile.of(samples, ingested).write(folder / PROFILE)
        Verdict(samples_sha256=file_sha256(SAMPLES), expectations=len(checked.checks) - len(drifts)).write(
            folder / "verdict.json"
        )
    print(f"All {len(checked.checks)} expectations hold for {len(samples)} samples; {compared}.")


def champion_profile(folder: Path) -> tuple[int | None, DataProfile | None]:
    """The version of the champion and the profile of the data that it was made from; None twice where there is none.

    Raises:
        DataError: its package holds no profile, or one of another shape.
    """
    version = ChampionRef.read(folder / "champion.json").version
    if version is None:
        return None, None
    path = folder / "package" / PROFILE
    if not path.exists():
        raise DataError(f"The package of champion version {version} holds no {PROFILE}, so drift cannot be told.")
    try:
        return version, DataProfile.read(path)
    except ValidationError:
        raise DataError(
            f"The {PROFILE} of champion version {version} is of another shape than today's, so drift cannot be told. "
            "Go on under another name in params.yaml, or promote a version that this release has made."
        ) from None


def write_report(checked: "Checked", about: str) -> None:
    """Writes ``reports/validate``."""
    from components.validate.docs import write_docs

    with whole_folder(REPORT) as folder:
        write_json(folder / "validation.json", [each.model_dump(mode="json") for each in checked.checks])
        write_docs(checked, about, folder / "docs")


def message(failed: "list[Check]", total: int) -> str:
    """What a person needs to know: each expectation, its column, what was found, the limit and the rows."""
    faults = "\n".join(_fault(each) for each in failed)
    return (
        f"{len(failed)} of {total} expectations about the data do not hold; nothing is trained on it.\n{faults}\n"
        f"See {REPORT}/docs/index.html. Mend the data, or change the limit in params.yaml where the data is right."
    )


def _fault(check: "Check") -> str:
    column = f"column {check.column} of {check.table}" if check.column else f"table {check.table}"
    limit = f"; limit: {check.limit}" if check.limit else ""
    param = f" ({check.param})" if check.param else ""
    rows = f"\n    {check.rows} row{'s' * (check.rows > 1)}: {'; '.join(check.examples)}" if check.rows else ""
    return f"  {check.expectation}, {column}: observed {check.observed}{limit}{param}{rows}"
