"""Stage ``prepare``: the splits as arrays, and what is fitted on the training split.

Reads ``data/ingested`` and the verdict in ``data/validated``. Writes ``data/prepared/train``, ``…/validation`` and
``…/test`` (:class:`components.contracts.LabelledArrays`, in the order of the sample table),
``data/prepared/preprocessing.json`` (:class:`components.contracts.Preprocessing`) and, of texts, the tokenizer.

Guarantees that the table is the one that was validated, and that nothing but the training split decides on what is
fitted. Images and texts need little memory: they are copied, counted and encoded a slice at a time.
"""
