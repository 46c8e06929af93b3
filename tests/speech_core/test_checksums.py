"""Checksums of files, against the published example of FIPS 180-2."""

import pytest

from speech_core.checksums import check_sha256, sha256_of
from speech_core.errors import CheckpointError

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_the_right_file_passes_and_another_does_not(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256_of(tmp_path / "a") == ABC
    check_sha256(tmp_path / "a", ABC)
    with pytest.raises(CheckpointError, match=r"a has SHA-256 ba7816bf8f01\.\.\., expected 000000000000"):
        check_sha256(tmp_path / "a", "0" * 64)
