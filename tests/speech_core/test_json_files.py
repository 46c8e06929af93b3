"""JSON files by themselves: errors that name the file, and no torch; writing is tested with checkpoints."""

import subprocess
import sys

import pytest

from speech_core.errors import CheckpointError
from speech_core.json_files import read_json, write_json


def test_what_is_written_is_read(tmp_path):
    write_json(tmp_path / "a.json", {"\u00fc": [1, None]})
    assert read_json(tmp_path / "a.json") == {"\u00fc": [1, None]}


@pytest.mark.parametrize(("content", "said"), [(None, "missing"), ("{", "not JSON")])
def test_errors_name_the_file(tmp_path, content, said):
    path = tmp_path / "a.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(CheckpointError, match=said) as error:
        read_json(path)
    assert str(path) in str(error.value)


def test_a_manifest_is_read_without_torch():
    code = "import sys, llama_speech.bundle; assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
