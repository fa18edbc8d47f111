"""Forecasting how popular each movie will be in the next time slot."""

import logging
import os

# TensorFlow reads both once, on import: without them it prints lines that differ from
# machine to machine and spoil the comparison of notebook outputs.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

# One network after another is built here, which TensorFlow takes for a mistake.
logging.getLogger("tensorflow").addFilter(
    lambda record: "retracing" not in record.getMessage()
)
