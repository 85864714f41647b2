"""The run files in docs/examples, shortened: a model is trained and used for dynamics."""

from dataclasses import fields

import yaml

from labkit.cli import main
from labkit.train import TrainingFile


def test_ice(repository, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    examples = repository / "docs" / "examples"
    for name, changes in (("train_ice", {"steps": 3, "embedding_dimension": 4}), ("md_ice", {"steps": 4})):
        values = yaml.safe_load((examples / f"{name}.yaml").read_text()) | changes
        key = "data" if name == "train_ice" else "structure"
        values[key] = str((examples / values[key]).resolve())
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(values))
    assert main(["train", "train_ice.yaml", "--out", "ice"]) == 0
    said = capsys.readouterr()
    assert "note: " not in said.err and "tensornet" in said.out
    assert main(["md", "md_ice.yaml"]) == 0
    assert (tmp_path / "ice" / "md" / "output.dcd").stat().st_size > 0


def test_every_key_is_on_the_page(repository) -> None:
    page = (repository / "docs" / "training.md").read_text()
    hidden = {"notes", "log_dir", "seed", "max_z"}
    missing = [f.name for f in fields(TrainingFile) if f"`{f.name}" not in page and f.name not in hidden]
    assert not missing
