"""The monitor: what of the traffic has changed, within a budget of false alarms.

Not a stage of dvc.yaml: it runs when there is traffic. Reads the champion's package, and of the home folder
``predictions/``, ``feedback/`` and ``outcomes/``; writes ``monitor/<model>/``: a record and a page for each window, and
a page of all of them.
Guarantees: without drift, no more alarms than the budget of params.yaml on average; a window is judged once.
"""

from components.monitor.judging import Waiting, monitor
from components.monitor.record import Finding, JudgedWindow, Quality

__all__ = ["Finding", "JudgedWindow", "Quality", "Waiting", "monitor"]
