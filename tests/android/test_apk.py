"""Content of the debug APK that `make apk` builds."""

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
        models = [one for one in archive.infolist() if one.filename.endswith(".tflite")]
        assert models, "put one in: mobilebert-tf export --android_demo"
        for one in models:
            assert one.compress_type == zipfile.ZIP_STORED, one.filename
            head = apk.read_bytes()[one.header_offset : one.header_offset + 30]
            start = one.header_offset + 30 + sum(struct.unpack_from("<HH", head, 26))
            assert start % 4 == 0, one.filename
            contract = json.loads(archive.read(one.filename.replace(".tflite", ".contract.json")))
            assert one.file_size == contract["file"]["bytes"]


def test_the_signature_holds_and_nothing_is_asked_for(apk: Path) -> None:
    if not shutil.which("apksigner"):
        pytest.skip("apksigner is not on the PATH")
    process = subprocess.run(["apksigner", "verify", "-v", str(apk)], capture_output=True, encoding="utf-8")
    assert process.returncode == 0, process.stderr
    assert "v2 scheme (APK Signature Scheme v2): true" in process.stdout
    aapt2 = apk.parents[3] / "app" / "target" / "tools" / "prebuilt" / "linux" / "aapt2_64"
    told = subprocess.run([str(aapt2), "dump", "badging", str(apk)], capture_output=True, encoding="utf-8").stdout
    assert "package: name='dev.mobilebert.app'" in told and "minSdkVersion:'24'" in told
    assert "launchable-activity: name='dev.mobilebert.app.MainActivity'" in told
    assert "application-debuggable" in told
    assert "uses-permission" not in told
