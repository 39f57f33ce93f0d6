"""The README's Python runs as it stands, on a made-up pack."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("code", BLOCKS)
def test_code_runs(code: str, synthetic_pack: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert '"portrait"' in code
    exec(code.replace('"portrait"', repr(synthetic_pack)), {})
    assert -1 <= float(capsys.readouterr().out) <= 1
