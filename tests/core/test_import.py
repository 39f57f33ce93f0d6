from __future__ import annotations

import subprocess
import sys

ALLOWED = {"numpy", "gymnasium", "copyright_gym", "cloudpickle", "farama_notifications"}

CODE = """
import sys, gymnasium, numpy
before = set(sys.modules)
import copyright_gym
import copyright_gym.envs.allocation, copyright_gym.envs.joint, copyright_gym.envs.round_budget
import copyright_gym.envs.live_round_budget
print(*{name.partition(".")[0] for name in set(sys.modules) - before})
print("torch" in sys.modules)
"""


def test_the_core_needs_gymnasium_and_numpy_only():
    run = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    new, torch = run.stdout.splitlines()
    assert torch == "False"
    # Compiled modules share types under a name such as _cython_3_1_0.
    foreign = {name for name in new.split() if not name.startswith("_cython_")}
    assert foreign - set(sys.stdlib_module_names) <= ALLOWED


def test_every_environment_is_registered_by_a_string():
    import gymnasium as gym

    ids = [name for name in gym.registry if name.startswith("copyright_gym/")]
    assert len(ids) >= 3
    assert all(isinstance(gym.registry[name].entry_point, str) for name in ids)
