"""The reference program: Keras 3 on TensorFlow with ImageDataGenerator. Runs in an environment of its own."""

import os
import sys
import time

os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

import keras  # noqa: E402 the processor is chosen before TensorFlow counts them
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from keras.src.legacy.preprocessing.image import ImageDataGenerator  # noqa: E402

BATCH, STEPS = 64, 150


def main() -> None:
    """Trains STEPS steps for each line on standard input."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    layers = keras.layers
    network = keras.Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    network.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    random = np.random.default_rng(0)
    images = random.random((BATCH * STEPS, 28, 28, 1), dtype=np.float32)
    labels = random.integers(0, 10, BATCH * STEPS)
    generator = ImageDataGenerator(
        rotation_range=40,
        width_shift_range=0.2,
        height_shift_range=0.2,
        shear_range=0.2,
        zoom_range=0.2,
        horizontal_flip=True,
        fill_mode="nearest",
    )
    for _ in sys.stdin:
        started = time.process_time()
        network.fit(generator.flow(images, labels, batch_size=BATCH), epochs=1, verbose=0)
        print(f"samples/s {BATCH * STEPS / (time.process_time() - started)}", flush=True)


main()
