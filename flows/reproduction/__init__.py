"""``tunesmith reproduce``: a registered version made once more from what its package says, and held against it.

Everything happens in a folder of its own: a clone of the repository at the version's commit, its params.yaml and its
dvc.lock, the data that it was made from, its environment, and a home folder in which no server, registry or key is the
workspace's. The workspace and its registry are only read; into DVC's cache comes at most what a remote has. The stages
of dvc.yaml are run by force, with the code of the commit; nothing is registered, judged or promoted.
"""
