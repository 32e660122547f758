"""The report of a sweep: one HTML file that loads nothing and runs no script."""

from components.page.environment import page_environment
from components.sweep.figures import curves_plot, front_plot, importance_plot, parallel_plot, progress_plot
from components.sweep.importance import importances
from components.sweep.record import Sweep, Trial
from components.sweep.space import Tree, found


def render(sweep: Sweep, tree: Tree, name: str) -> str:
    """The whole page.

    Args:
        sweep: what was found.
        tree: params.yaml as it was, as plain data.
        name: of the model.
    """
    explained = importances(sweep)
    scored = any(trial.values and trial.score is not None for trial in sweep.trials)
    plots = {
        "parallel": parallel_plot(sweep) if scored else None,
        "importance": importance_plot(explained) if explained else None,
        "curves": curves_plot(sweep),
        "front": front_plot(sweep) if len(sweep.section.objectives) > 1 and sweep.front else None,
        "progress": progress_plot(sweep),
    }
    return (
        page_environment("components.sweep")
        .get_template("report.html.jinja")
        .render(
            name=name,
            sweep=sweep,
            before=sweep.trials[0],
            winner=None if sweep.winner is None else sweep.trials[sweep.winner],
            changes=changes(sweep, tree),
            ranked=ranked(sweep),
            plots=plots,
            training=sum(trial.seconds for trial in sweep.trials),
            epochs=sum(len(trial.epochs) for trial in sweep.trials),
        )
    )


def changes(sweep: Sweep, tree: Tree) -> list[tuple[str, object, object]]:
    """What the winner sets: place, value before, value now."""
    if sweep.winner is None:
        return []
    values = sweep.trials[sweep.winner].values
    return [(place, found(tree, place), value) for place, value in values.items() if found(tree, place) != value]


def ranked(sweep: Sweep) -> list[Trial]:
    """The trials, the best first."""
    return sorted(sweep.trials, key=lambda trial: (trial.score is None, -(trial.score or 0.0), trial.number))
