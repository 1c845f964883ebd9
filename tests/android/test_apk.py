"""The content of the debug APK that `make apk` builds."""

import json
import shutil
import struct
import subprocess
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.android


@pytest.fixture(scope="module")
def apk(root: Path) -> Path:
    path = root / "android_demo" / "maven" / "apk" / "target" / "mobilebert-debug.apk"
    if not path.exists():
        pytest.skip("there is no APK; make apk builds it")
    return path


def test_code_libraries_and_resources_are_there(apk: Path) -> None:
    with zipfile.ZipFile(apk) as archive:
        names = archive.namelist()
        assert archive.testzip() is None and len(names) == len(set(names))
        assert archive.read("classes.dex").startswith(b"dex\n03")
        dex = archive.read("classes.dex")
        for name in (
            b"Ldev/mobilebert/app/MainActivity;",
            b"Ldev/mobilebert/core/text/Tokenizer;",
            b"Lorg/tensorflow/lite/Interpreter;",
        ):
            assert name in dex
        assert not any(b"com/google/ai/edge/litert" in archive.read(name) for name in names if name.endswith(".dex"))
        for abi in ("arm64-v8a", "x86_64"):
            library = archive.read(f"lib/{abi}/libtensorflowlite_jni.so")
            machine = struct.unpack_from("<H", library, 18)[0]
            assert library.startswith(b"\x7fELF") and machine == {"arm64-v8a": 183, "x86_64": 62}[abi]
        assert {"AndroidManifest.xml", "resources.arsc", "dev/mobilebert/core/characters.txt"} <= set(names)


def test_models_are_stored_whole_where_they_can_be_mapped(apk: Path) -> None:
    with zipfile.ZipFile(apk) as archive:
        models = [entry for entry in archive.infolist() if entry.filename.endswith(".tflite")]
        assert models, "put one in: mobilebert-tf export --android_demo"
        for entry in models:
            assert entry.compress_type == zipfile.ZIP_STORED, entry.filename
            head = apk.read_bytes()[entry.header_offset : entry.header_offset + 30]
            start = entry.header_offset + 30 + sum(struct.unpack_from("<HH", head, 26))
            assert start % 4 == 0, entry.filename
            contract = json.loads(archive.read(entry.filename.replace(".tflite", ".contract.json")))
            assert entry.file_size == contract["file"]["bytes"]


def test_the_signature_holds_and_nothing_is_asked_for(apk: Path) -> None:
    if not shutil.which("apksigner"):
        pytest.skip("apksigner is not on the PATH")
    process = subprocess.run(["apksigner", "verify", "-v", str(apk)], capture_output=True, encoding="utf-8")
    assert process.returncode == 0, process.stderr
    assert "v2 scheme (APK Signature Scheme v2): true" in process.stdout
    aapt2 = apk.parents[3] / "app" / "target" / "tools" / "prebuilt" / "linux" / "aapt2_64"
    badging = subprocess.run([str(aapt2), "dump", "badging", str(apk)], capture_output=True, encoding="utf-8").stdout
    assert "package: name='dev.mobilebert.app'" in badging and "minSdkVersion:'24'" in badging
    assert "launchable-activity: name='dev.mobilebert.app.MainActivity'" in badging
    assert "application-debuggable" in badging
    assert "uses-permission" not in badging
