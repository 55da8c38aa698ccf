"""The filter of this folder from Python: compile, learn a signal tick by tick, look at what it learnt.
    python3 online.py"""
import pathlib

import bmc
import numpy as np

TAPS, TICKS = 16, 5000
model = bmc.compile(pathlib.Path(__file__).with_name("filter.bm"), define={"taps": TAPS}, threads=1)

t = np.arange(TICKS + TAPS, dtype=np.float32)
signal = (0.6 * np.sin(0.11 * t) + 0.3 * np.sin(0.31 * t + 1)).astype(np.float32)
windows = np.lib.stride_tricks.sliding_window_view(signal, TAPS)

errors = np.empty(TICKS, np.float32)
for tick in range(TICKS):
    past, truth = windows[tick : tick + 1], signal[tick + TAPS : tick + TAPS + 1]
    errors[tick] = model.predict(past)[0] - truth[0]  # what it says before it is told
    model.train_step(past, truth)

for part in np.split(errors, 5):
    print(f"error of prediction {np.sqrt(np.mean(part**2)):.4f}")
print("first weights of the first layer:", model["filter.dense1.w"][0, :4])
