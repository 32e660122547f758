"""What a person knows of the data sets: texts that are unmistakable, and changes whose effect has a known direction."""

import itertools
from collections.abc import Callable
from typing import Any

Row = dict[str, Any]
Move = Callable[[Row], Row | None]
"""A row -> the same row with something more of what makes its value larger; None: there is no more of it."""

TEXTS: dict[str, tuple[str, ...]] = {
    "positive": (
        "A wonderful film. I loved every minute of it, and the acting is superb.",
        "One of the best movies I have ever seen: moving, funny, and beautifully made. Highly recommended!",
        "Brilliant performances and a great story. A perfect evening, 10/10.",
    ),
    "negative": (
        "A terrible film. I hated every minute of it, and the acting is awful.",
        "One of the worst movies I have ever seen: boring, stupid, and badly made. Avoid it!",
        "A complete waste of time. The plot is a mess and the jokes are lame, 1/10.",
    ),
    "spam": (
        "WINNER!! You have won a £1000 cash prize! Call 09061701461 now to claim. Only 150p/min.",
        "FREE entry! Text WIN to 80086 now for your chance to win a new Nokia. T&Cs apply, 16+, 150p/msg",
        "URGENT! Your mobile number has been awarded a £2000 bonus prize. To claim call 09066364311.",
    ),
    "ham": (
        "Hi, I'm running late. See you at home in ten minutes.",
        "Ok, I'll call you after work then. Did you eat already?",
        "Thanks for dinner last night, mum. I'll come over on sunday.",
    ),
    "graphs": (
        "Returns the shortest path between two nodes of a weighted graph.",
        "Compute the connected components of an undirected graph; each node is in one of them.",
        "Returns True if every edge of the directed graph G joins two neighbors of the clique.",
    ),
    "databases": (
        "Construct a SELECT statement with a WHERE clause for the columns of a table.",
        "Return the foreign key constraints of a table in the database, given a connection and a schema name.",
        "The dialect emits an INSERT statement and the session commits the transaction.",
    ),
}
"""By the name of a class."""


def _scaled(factor: float, *names: str) -> Move:
    return lambda row: {**row, **{name: row[name] * factor for name in names}}


def _larger_stone(row: Row) -> Row:
    sides = {side: row[side] * 1.1 ** (1 / 3) for side in ("x", "y", "z")}
    return {**row, **sides, "carat": row["carat"] * 1.1}


def _next(name: str, *grades: str) -> Move:
    """The next better grade of a column."""
    better = dict(itertools.pairwise(grades))
    return lambda row: {**row, name: better[row[name]]} if row[name] in better else None


MOVES: dict[str, dict[str, Move]] = {
    "price": {
        "a tenth more carats, in the same shape": _larger_stone,
        "a better colour": _next("color", "J", "I", "H", "G", "F", "E", "D"),
        "a better clarity": _next("clarity", "I1", "SI2", "SI1", "VS2", "VS1", "VVS2", "VVS1", "IF"),
    },
    "area": {"a tenth more radius": _scaled(1.1, "radius")},
}
"""By the name of the value: what, all else equal, does not make it smaller."""
