"""From the logs to the files of the stage."""

import pandas as pd
import pyarrow.compute as pc

from components.contracts import FEEDBACK
from components.feedback.kept import CONTENT, KEY, TRUTH, Kept
from components.feedback.standing import keep_gathering, require_standing
from components.feedback.waiting import waiting
from components.files import whole_folder
from components.params import Params
from components.predictions import blocks, made_at, prediction_columns, predictions_folder
from components.settings import Settings


def run(params: Params, settings: Settings) -> None:
    """Fills ``data/feedback``: with what was there, and with what waits where that is to be taken in.

    Raises:
        DataError: what was gathered before is recorded, and is not here.
    """
    require_standing(settings, params.name)
    before, new = Kept.read(settings, params.name), waiting(settings, params.name)
    if not settings.take_feedback:
        new = new.head(0)
    after = _with(before, new, _contents(settings, params.name, new))
    with whole_folder(FEEDBACK) as folder:
        after.write_usable(folder)
        keep_gathering(settings, params.name, folder)
    after.write_unusable(settings, params.name)  # last: where this is not reached, the same is gathered again
    apart = after.unusable[TRUTH].notna().any(axis=1).sum()
    lost = f"; {apart} more are of inputs that were not kept (TUNESMITH_LOG_INPUTS)" if apart else ""
    print(f"{len(after.usable)} corrections; {len(new)} are new, or were changed{lost}.")


def _contents(settings: Settings, model: str, corrected: pd.DataFrame) -> pd.DataFrame:
    """What was asked of the samples that were corrected, where it was kept: key and content."""
    columns = [*KEY, *CONTENT]
    wanted = set(corrected["request_id"])
    made = [made_at(request_id) for request_id in wanted]
    since = None if None in made else min(filter(None, made), default=None)
    found = [pd.DataFrame(columns=columns)]
    if wanted:
        for block in blocks(predictions_folder(settings, model), prediction_columns(), since):
            rows = block.filter(pc.is_in(block["request_id"], value_set=pc.cast(sorted(wanted), "string")))
            found.append(rows.select(columns).to_pandas())
    rows = pd.concat(found).dropna(subset=list(CONTENT), how="all")
    return rows.drop_duplicates(KEY, keep="last")


def _with(before: Kept, new: pd.DataFrame, contents: pd.DataFrame) -> Kept:
    """All corrections: a sample that was corrected again has its last one, and the content that is known of it."""
    known = pd.concat([before.usable[[*KEY, *CONTENT]], contents]).drop_duplicates(KEY, keep="first")
    every = pd.concat([before.usable.drop(columns=list(CONTENT)), before.unusable, new])
    last = every.sort_values("time", kind="stable").drop_duplicates(KEY, keep="last")
    joined = last.merge(known, how="left", on=KEY)
    usable = joined[list(CONTENT)].notna().any(axis=1) & joined[TRUTH].notna().any(axis=1)
    return Kept(joined[usable], joined[~usable].drop(columns=list(CONTENT)))
