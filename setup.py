"""The one part of the build that pyproject.toml cannot say: the compiled kernel, if possible."""

import os

from setuptools import Extension, setup

# Fused operations would give other bits than NumPy.
EXACT = [] if os.name == "nt" else ["-O3", "-ffp-contract=off"]

setup(
    ext_modules=[
        Extension(
            f"copyright_gym.{name}",
            [f"copyright_gym/{name}.pyx"],
            extra_compile_args=EXACT,
            optional=True,
        )
        for name in ("_kernel", "_single")
    ]
)
