"""What of a sample an answer was given for: parts of it are hidden, and the answer is looked at again.

Works for every graph, because it needs nothing of it but answers.
"""

from serving.explaining.choice import build_explainer
from serving.explaining.explainer import Explainer, explain

__all__ = ["Explainer", "build_explainer", "explain"]
