"""Stage ``feedback``: what people have said of the server's answers, as samples to be trained on.

Reads ``feedback/`` and ``predictions/`` of the home folder, where a server keeps them, and its own outcome of before:
what the logs forget after some days stays here. Writes ``data/feedback/corrections.parquet``, a row for each sample
that was corrected and whose input was kept, with its last correction. Those whose input was not kept, and those that
were withdrawn, are kept in ``gathered/`` of the home folder. Guarantees: nothing that was once in it is lost; the same
logs give the same file, byte for byte.

Takes in what is new when it is asked to (``tunesmith run --feedback``), as DVC does not know the logs; without that it
leaves what it found.
"""

from components.feedback.waiting import said, said_at, waiting
from components.feedback.withdrawing import withdraw

__all__ = ["said", "said_at", "waiting", "withdraw"]
