"""Promotion: the alias ``champion`` moves if it is where it was compared, one mover at a time; a journal says why.

Not a stage of dvc.yaml: a promotion cannot be taken back by running something again. Reads and writes the registry and
``journal.jsonl`` in the home folder. Guarantees: of two promotions that compared with the same champion one wins; the
journal names every move, also that of a process that was killed half-way; only a package that verifies is promoted;
a version that was rolled back carries the reason as a tag until it is champion again, and the gate reads that tag.

The lock and the journal lie in the home folder, so that holds for movers that share one: for a team the machine, or the
volume, where the flow runs. MLflow has no compare-and-set. Movers of other home folders are found by reading the alias
right before it is moved, forwards or back; what one of them does between that look and the move, a few requests, is
overwritten.
"""

from components.promote.journal import Event, Journal
from components.promote.promotion import Promotion, history, promote, rollback

__all__ = ["Event", "Journal", "Promotion", "history", "promote", "rollback"]
