"""The clients of docs/serving.md run against a server."""

import pytest

from tests.documents import ROOT, blocks


@pytest.mark.parametrize("block", blocks("python", "tested with a server"), ids=str)
def test_documented_clients_run(block, server, tmp_path, monkeypatch, capsys):
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    monkeypatch.chdir(tmp_path)
    source = block.text.replace("http://127.0.0.1:8000", server.url)
    assert source != block.text
    exec(compile(source, str(block), "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out.strip()
