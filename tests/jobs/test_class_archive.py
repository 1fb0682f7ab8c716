"""Spark's classes are kept where only their user writes; a JVM is told of them where nobody chose otherwise."""

import os
from pathlib import Path

import pytest

from jobs import SparkUnavailable
from jobs.spark import class_archive


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, and no options of the tests' own JVMs."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("SPARK_SUBMIT_OPTS", raising=False)
    return tmp_path / "cache" / "stagewright" / "spark-classes"


def kept() -> Path:
    found = class_archive.kept_at()
    assert found is not None
    return found


def test_a_jvm_is_told_of_the_file_once_it_is_there(cache: Path) -> None:
    assert class_archive.options() == ""
    kept().write_bytes(b"classes")
    assert f'"-XX:SharedArchiveFile={kept()}"' in class_archive.options()
    assert kept().parent == cache
    assert cache.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("variable", "option"),
    [
        ("SPARK_SUBMIT_OPTS", "-XX:SharedArchiveFile=/other.jsa"),
        ("JAVA_TOOL_OPTIONS", "-Xshare:off"),
        ("JDK_JAVA_OPTIONS", "-XX:ArchiveClassesAtExit=/other.jsa"),
    ],
)
def test_what_somebody_has_chosen_stays(variable: str, option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kept().write_bytes(b"classes")
    monkeypatch.setenv(variable, option)
    assert class_archive.options() == ""


@pytest.mark.parametrize("widen", [Path.chmod, lambda folder, mode: folder.parent.chmod(mode)])
def test_a_folder_that_others_can_write_to_is_not_used(cache: Path, widen: object) -> None:
    kept().write_bytes(b"classes")
    widen(cache, 0o777)  # type: ignore[operator]
    assert class_archive.options() == ""
    with pytest.raises(SparkUnavailable, match="a cache folder that nobody else can write to"):
        class_archive.make()


def test_a_folder_that_is_a_link_is_not_used(cache: Path, tmp_path: Path) -> None:
    cache.parent.mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    cache.symlink_to(tmp_path / "elsewhere")
    assert class_archive.options() == ""


def test_another_jdk_and_another_spark_have_files_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = kept()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").touch()
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    other_jdk = kept()
    (tmp_path / "jars").mkdir()
    monkeypatch.setenv("SPARK_HOME", str(tmp_path))
    assert len({before, other_jdk, kept()}) == 3


def test_without_a_jdk_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert class_archive.options() == ""
    with pytest.raises(SparkUnavailable, match="a JDK"):
        class_archive.make()


def test_what_is_kept_is_not_made_again_and_the_oldest_go(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(class_archive, "write", lambda file: file.write_bytes(b"made"))
    target = kept()
    for age in range(5):
        (cache / f"{age}.jsa").touch()
        os.utime(cache / f"{age}.jsa", (age, age))
    assert class_archive.make() == target
    assert {file.name for file in cache.iterdir()} == {target.name, "4.jsa", "3.jsa"}
    target.write_bytes(b"kept")
    class_archive.make()
    assert target.read_bytes() == b"kept"


def test_where_the_session_fails_nothing_is_left_and_its_last_word_is_told(cache: Path) -> None:
    kept()
    with pytest.raises(SparkUnavailable, match=r"not kept: .*No module named"):
        class_archive.write(cache / "a.jsa", module="no_such_module")
    assert list(cache.iterdir()) == []
