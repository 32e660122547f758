"""Stage ``augment``: the order of an epoch, and a look at the augmentation policy.

Reads ``data/prepared/train`` and ``preprocessing.json``; of texts, the tokenizer. Writes ``data/augmented/order.npy``,
the indices of the training samples that one epoch sees (each once, or rarer classes repeated), and a picture of samples
beside their augmentations, ``reports/augment/contact_sheet.png``. The random changes themselves are drawn anew in every
epoch, on the device that trains (:mod:`components.tasks.augmentation`).
"""
