"""Promotion: the alias ``champion`` moves by compare-and-set, one mover at a time, and a journal says who and why.

Not a stage of dvc.yaml: a promotion cannot be taken back by running something again. Reads and writes the registry and
``journal.jsonl`` in the home folder. Guarantees: of two promotions that compared with the same champion one wins; the
journal names every move, also that of a process that was killed half-way; only a package that verifies is promoted;
a version that was rolled back carries the reason as a tag until it is champion again, and the gate reads that tag.

The movers must share one home folder: the lock and the journal lie there. For a team that is the machine, or the
volume, where the flow runs.
"""

from components.promote.journal import Event, Journal
from components.promote.promotion import Promotion, history, promote, rollback

__all__ = ["Event", "Journal", "Promotion", "history", "promote", "rollback"]
