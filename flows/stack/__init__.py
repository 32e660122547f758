"""``tunesmith up``: everything on one machine, kept by one process that outlives the command.

A part is data (:mod:`flows.stack.part`); :mod:`flows.stack.parts` has one module for each. The supervisor
(``python -m flows.stack``) starts them in the order of what they need, asks them whether they are well, starts them
again when they die, and writes down how they are: ``stack/state.json`` of the home folder. The commands read that file.
"""
